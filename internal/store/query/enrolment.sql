-- name: InsertEnrolment :exec
INSERT INTO enrolment (id, customer, state, address, key_sealed, key_typed_mac, key_secret_mac, key_expires_at, number_sealed, number_mac,
    tries, start_tries, ordered_at, ordered_device, ordered_source, expires_at, ended_at, token, request_hash, answer, version, purpose, replaces)
VALUES ($1, $2, 'ordered', $3, $4, $5, $6, $7, $8, $9, 0, 0, $10, $11, $12, $13, 0, '', $14, '', 1, $15, $16);

-- name: SetEnrolmentTxn :execrows
UPDATE enrolment SET txn = $2, version = version + 1 WHERE id = $1 AND state = 'registered';

-- name: EnrolmentByID :one
SELECT * FROM enrolment WHERE id = $1;

-- name: OpenEnrolment :one
SELECT * FROM enrolment WHERE customer = $1 AND state IN ('ordered', 'registered');

-- name: EnrolmentByNumber :one
SELECT * FROM enrolment WHERE number_mac = $1 AND state = 'ordered';

-- name: EnrolmentByTypedKey :one
SELECT * FROM enrolment WHERE key_typed_mac = $1 AND state = 'ordered';

-- name: EnrolmentByRequest :one
SELECT * FROM enrolment WHERE request_hash = $1 AND state IN ('registered', 'completed');

-- name: CountEnrolmentTry :one
UPDATE enrolment SET tries = tries + 1, request_hash = $4, version = version + 1 WHERE id = $1 AND state = 'ordered' AND expires_at > $2 AND tries < $3 RETURNING tries;

-- name: CountStartTry :one
UPDATE enrolment SET start_tries = start_tries + 1, version = version + 1 WHERE id = $1 AND state = 'registered' AND expires_at > $2 AND start_tries < $3 RETURNING start_tries;

-- name: SetRegistrationKey :execrows
UPDATE enrolment SET key_sealed = $2, key_typed_mac = $3, key_secret_mac = $4, key_expires_at = $5, version = version + 1
WHERE id = $1 AND state = 'ordered' AND version = $6;

-- name: SetEnrolmentAddress :execrows
UPDATE enrolment SET address = $2, number_sealed = $3, number_mac = $4, version = version + 1
WHERE id = $1 AND state = 'ordered' AND version = $5;

-- name: RedeemEnrolment :execrows
UPDATE enrolment SET state = 'registered', token = $2, request_hash = $3, answer = $4, key_expires_at = 0, version = version + 1
WHERE id = $1 AND state = 'ordered' AND expires_at > $5 AND key_expires_at > $5;

-- name: EndEnrolment :execrows
UPDATE enrolment SET state = $2, ended_at = $3, version = version + 1 WHERE id = $1 AND state = $4;

-- name: ExpiredEnrolments :many
SELECT * FROM enrolment WHERE state IN ('ordered', 'registered') AND expires_at <= $1 ORDER BY expires_at LIMIT $2;
