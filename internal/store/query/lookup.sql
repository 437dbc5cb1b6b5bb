-- name: PutLook :exec
INSERT INTO customer_look (staff, customer, via, at) VALUES ($1, $2, $3, $4) ON CONFLICT (staff, customer) DO UPDATE SET via = excluded.via, at = excluded.at;

-- name: LookOf :one
SELECT * FROM customer_look WHERE staff = $1 AND customer = $2 AND at > $3;

-- name: LooksBy :many
SELECT * FROM customer_look WHERE staff = $1 AND at > $2 ORDER BY at DESC LIMIT $3;

-- name: DeleteOldLooks :exec
DELETE FROM customer_look WHERE at < $1;

-- name: GiveBackThrottle :exec
UPDATE throttle SET count = count - 1 WHERE bucket = $1 AND count > 0;

-- name: AttemptsOf :many
SELECT * FROM attempt WHERE customer = $1 ORDER BY factor, lane LIMIT $2;

-- name: BrowsersOf :many
SELECT * FROM browser WHERE customer = $1 ORDER BY last_at DESC LIMIT $2;

-- name: LatestLogins :many
SELECT * FROM session s WHERE s.customer = $1 AND s.level = 'full' AND NOT EXISTS (SELECT 1 FROM session e WHERE e.chain = s.chain AND e.level = 'full' AND e.created_at < s.created_at)
ORDER BY s.created_at DESC LIMIT $2;

-- name: LatestReissueOf :one
SELECT * FROM reissue WHERE customer = $1 ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: LatestPhoneCheckOf :one
SELECT * FROM phone_check WHERE customer = $1 ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: LatestMailsOf :many
SELECT * FROM outbox WHERE customer = $1 AND address <> '' ORDER BY created_at DESC, id DESC LIMIT $2;

-- name: LatestTokenOf :one
SELECT * FROM token WHERE customer = $1 ORDER BY registered_at DESC, id DESC LIMIT 1;
