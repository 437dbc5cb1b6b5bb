-- name: TakePhoneTurn :exec
INSERT INTO phone_turn (customer, begun) VALUES ($1, 1) ON CONFLICT (customer) DO UPDATE SET begun = phone_turn.begun + 1;

-- name: InsertPhoneCheck :exec
INSERT INTO phone_check (id, customer, object, way, state, reason, language, number_mac, code_sealed, call, created_at, expires_at, ended_at)
VALUES ($1, $2, $3, $4, 'waiting', '', $5, $6, $7, '', $8, $9, 0);

-- name: PhoneCheckByID :one
SELECT * FROM phone_check WHERE id = $1;

-- name: LatestPhoneCheck :one
SELECT * FROM phone_check WHERE object = $1 ORDER BY CASE WHEN ended_at = 0 THEN 0 ELSE 1 END, created_at DESC, id DESC LIMIT 1;

-- name: OpenPhoneCheck :one
SELECT * FROM phone_check WHERE object = $1 AND state IN ('waiting', 'ringing', 'answered');

-- name: PhoneSends :many
SELECT created_at FROM phone_check WHERE customer = $1 AND way <> 'call_in' AND created_at > $2 ORDER BY created_at DESC;

-- name: MovePhoneCheck :execrows
UPDATE phone_check SET state = $2 WHERE id = $1 AND state = sqlc.arg(was);

-- name: EndPhoneCheck :execrows
-- A code is forgotten with the check that it belongs to. call is the call at the network by which it was proved.
UPDATE phone_check SET state = $2, reason = $3, ended_at = $4, call = $5, code_sealed = sqlc.arg(empty) WHERE id = $1 AND state IN ('waiting', 'ringing', 'answered');

-- name: WaitingOnNumber :one
SELECT * FROM phone_check WHERE number_mac = $1 AND way = 'call_in' AND state = 'waiting';

-- name: DenyPhoneCheck :execrows
-- A denial counts after the end of a check too, and is the last word about it: it ends with that, and what was proved by it is proved no more.
UPDATE phone_check SET reason = 'denied', ended_at = $2 WHERE id = $1 AND way = 'staff_callback' AND ended_at > 0 AND reason <> 'denied';

-- name: ProvedByCall :one
SELECT * FROM phone_check WHERE number_mac = $1 AND way = 'call_in' AND state = 'proved' AND call = $2;

-- name: PhoneProvedSince :one
SELECT ended_at, way FROM phone_check WHERE object = $1 AND state = 'proved' AND reason = '' AND ended_at >= $2
  AND created_at > (SELECT c.phone_since FROM customer c WHERE c.id = phone_check.customer)
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1) ORDER BY ended_at DESC LIMIT 1;

-- name: ExpiredPhoneChecks :many
SELECT * FROM phone_check WHERE state IN ('waiting', 'ringing', 'answered') AND expires_at <= $1 ORDER BY expires_at LIMIT $2;

-- name: OpenCallbacks :many
SELECT p.* FROM phone_check p WHERE p.way = 'staff_callback' AND p.state = 'waiting' AND p.expires_at > CAST(sqlc.arg(now) AS BIGINT) AND p.id > sqlc.arg(after)
  AND p.created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1) ORDER BY p.id LIMIT sqlc.arg(most);

-- name: OpenCallbackOf :one
SELECT * FROM phone_check WHERE customer = $1 AND way = 'staff_callback' AND state = 'waiting';

-- name: TakeCallback :execrows
UPDATE phone_check SET caller = $2, shown_at = $3 WHERE id = $1 AND way = 'staff_callback' AND state = 'waiting' AND expires_at > CAST($3 AS BIGINT);

-- name: MissCallback :execrows
-- was says how many calls the page knew of: a second click counts none.
UPDATE phone_check SET missed = missed + 1, missed_at = $2 WHERE id = $1 AND way = 'staff_callback' AND state = 'waiting' AND caller = $3 AND missed = sqlc.arg(was);

-- name: SetPhone :execrows
UPDATE customer SET phone = $2, phone_since = $3, version = version + 1 WHERE id = $1;

-- name: DeleteOldPhoneChecks :exec
DELETE FROM phone_check WHERE ended_at > 0 AND ended_at < $1;
