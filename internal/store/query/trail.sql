-- name: InsertEntry :exec
INSERT INTO audit_entry (id, at, actor_kind, actor, action, customer, object, outcome, reason, device, source, detail, sealed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0);

-- name: EntriesOf :many
SELECT * FROM audit_entry WHERE customer = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: CallsBy :many
-- What a member has written down about calls to a customer.
SELECT * FROM audit_entry WHERE customer = $1 AND id >= sqlc.arg(since) AND actor_kind = 'staff' AND actor = $2 AND action = 'phone.event' AND outcome = 'done' ORDER BY id;

-- name: InsertOutbox :exec
INSERT INTO outbox (id, customer, topic, address, sealed, state, created_at, due_at, expires_at, lease_until, tries, ended_at, reason)
VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $6, $7, 0, 0, 0, '');

-- name: DueOutbox :many
-- The lanes, and their index, are those of deliver.go: mails are what has no lane of its own.
SELECT * FROM outbox WHERE state = 'waiting' AND due_at <= sqlc.arg(now) AND lease_until <= sqlc.arg(now)
    AND CAST(CASE WHEN topic IN ('wake', 'event', 'login_ended', 'call', 'sms') THEN topic ELSE '' END AS TEXT) = CAST(sqlc.arg(lane) AS TEXT)
ORDER BY due_at, id LIMIT sqlc.arg(most);

-- name: LeaseOutbox :execrows
UPDATE outbox SET lease_until = $2, tries = tries + 1 WHERE id = $1 AND state = 'waiting' AND lease_until <= $3;

-- name: EndOutbox :execrows
UPDATE outbox SET state = $2, ended_at = $3, reason = $4, sealed = $6 WHERE id = $1 AND state = 'waiting' AND tries = $5;

-- name: RetryOutbox :execrows
UPDATE outbox SET due_at = $2, lease_until = 0, reason = $3 WHERE id = $1 AND state = 'waiting' AND tries = $4;

-- name: LatestOutbox :one
SELECT * FROM outbox WHERE customer = $1 AND topic = $2 ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: OutboxWaiting :one
SELECT count(*) FROM outbox WHERE state = 'waiting';
