-- name: InsertNotice :exec
INSERT INTO notice (id, customer, topic, sealed, created_at, read_at) VALUES ($1, $2, $3, $4, $5, 0);

-- name: NoticesOf :many
SELECT * FROM notice WHERE customer = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: UnreadNotices :one
SELECT count(*) FROM notice WHERE customer = $1 AND read_at = 0;

-- name: ReadNotices :exec
UPDATE notice SET read_at = $3 WHERE customer = $1 AND id <= $2 AND read_at = 0;

-- name: DeleteOldNotices :exec
DELETE FROM notice WHERE created_at < $1;

-- name: MailChoicesOf :many
SELECT * FROM mail_choice WHERE customer = $1;

-- name: MailChoiceOf :one
SELECT * FROM mail_choice WHERE customer = $1 AND kind = $2;

-- name: ChooseMail :execrows
-- Choosing again what is chosen changes nothing, and least of all the moment from which it counts.
INSERT INTO mail_choice (customer, kind, wanted, since) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer, kind) DO UPDATE SET wanted = excluded.wanted, since = excluded.since WHERE mail_choice.wanted <> excluded.wanted;

-- name: AddressesToTell :many
SELECT * FROM address WHERE customer = $1 AND (state <> 'retired' OR told_until > $2) ORDER BY since, id;

-- name: LeaveAddress :execrows
UPDATE address SET state = 'retired', told_until = $2 WHERE id = $1 AND state <> 'retired';

-- name: RetireAddress :execrows
UPDATE address SET state = 'retired', told_until = 0 WHERE id = $1;

-- name: PutAddressBack :execrows
UPDATE address SET state = 'usable', told_until = 0 WHERE id = $1 AND state = 'retired' AND told_until > $2;

-- name: AddressAfter :one
SELECT * FROM address WHERE customer = $1 AND replaces = $2 AND id <> $2 ORDER BY since DESC LIMIT 1;

-- name: PutAddress :one
-- An address that was on file before comes back under the identifier that it had; one that is only just leaving, with the age that it had.
INSERT INTO address (id, customer, mail, state, since, told_until, replaces) VALUES ($1, $2, $3, 'usable', $4, 0, $5)
ON CONFLICT (customer, mail) DO UPDATE SET state = 'usable', told_until = 0,
    since = CASE WHEN address.told_until > excluded.since THEN address.since ELSE excluded.since END,
    replaces = CASE WHEN address.told_until > excluded.since THEN address.replaces ELSE excluded.replaces END
WHERE address.state = 'retired'
RETURNING *;
