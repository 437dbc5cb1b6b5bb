-- name: CustomersByAccount :many
SELECT * FROM customer WHERE branch = $1 AND account_type = $2 AND account_number = $3 ORDER BY id LIMIT 2;

-- name: InsertReissue :exec
INSERT INTO reissue (id, hash, customer, wish, state, card_at, confirm_at, phone_at, enrolment, device, source, created_at, expires_at, ended_at)
VALUES ($1, $2, $3, $4, 'open', $5, 0, 0, '', $6, $7, $5, $8, 0);

-- name: ReissueByHash :one
SELECT * FROM reissue WHERE hash = $1 AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: ConfirmReissue :execrows
UPDATE reissue SET confirm_at = $2 WHERE id = $1 AND state = 'open' AND expires_at > CAST($2 AS BIGINT);

-- name: PhoneReissue :execrows
UPDATE reissue SET phone_at = $2 WHERE id = $1 AND state = 'open' AND expires_at > CAST(sqlc.arg(now) AS BIGINT);

-- name: ReissueByID :one
SELECT * FROM reissue WHERE id = $1;

-- name: CardReissue :execrows
UPDATE reissue SET card_at = $2 WHERE id = $1 AND state = 'open' AND expires_at > CAST($2 AS BIGINT);

-- name: StretchReissue :execrows
-- While staff are awaited, and after their call, an open one lives as long as that takes.
UPDATE reissue SET expires_at = $2 WHERE id = $1 AND state = 'open';

-- name: UnstretchReissue :execrows
-- Where nothing came of it, it ends when it would have ended anyway. One that has expired is not opened again.
UPDATE reissue SET expires_at = card_at + CAST(sqlc.arg(span) AS BIGINT) WHERE id = $1 AND state = 'open' AND expires_at > CAST(sqlc.arg(now) AS BIGINT);

-- name: OrderReissue :execrows
UPDATE reissue SET state = 'ordered', enrolment = $2, expires_at = $3 WHERE id = $1 AND state = 'open' AND expires_at > CAST(sqlc.arg(now) AS BIGINT);

-- name: EndReissue :execrows
UPDATE reissue SET state = $2, ended_at = $3 WHERE id = $1 AND state = $4;

-- name: WithdrawReissues :execrows
UPDATE reissue SET state = 'withdrawn', ended_at = $2 WHERE customer = $1 AND state IN ('open', 'ordered');

-- name: DeleteOldReissues :exec
DELETE FROM reissue WHERE created_at < $1 AND state NOT IN ('open', 'ordered');

-- name: ExpiredReissues :many
SELECT * FROM reissue WHERE state IN ('open', 'ordered') AND expires_at <= $1 ORDER BY expires_at LIMIT $2;
