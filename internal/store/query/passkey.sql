-- name: SetHandle :execrows
UPDATE customer SET handle = $2 WHERE id = $1 AND length(handle) = 0;

-- name: InsertPasskey :execrows
INSERT INTO passkey (id, party, owner, credential, public_key, counter, backup_eligible, backed_up, aaguid, transports, name, state, usable_at, errand, registered_at, registered_device, used_at, used_device, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, '', 0) ON CONFLICT (credential) DO NOTHING;

-- name: PasskeyByCredential :one
SELECT * FROM passkey WHERE credential = $1;

-- name: PasskeyByID :one
SELECT * FROM passkey WHERE id = $1;

-- name: PasskeysOf :many
SELECT * FROM passkey WHERE party = $1 AND owner = $2 AND state <> 'removed' ORDER BY registered_at, id;

-- name: UsePasskey :execrows
-- The counter may only grow, unless it does not count at all: of two uses that carry the same one is the second's refused.
UPDATE passkey SET counter = $2, backed_up = $3, state = CASE WHEN state = 'resting' THEN 'active' ELSE state END, used_at = $4, used_device = $5
WHERE id = $1 AND (state = 'active' OR state = 'resting' AND usable_at <= CAST($4 AS BIGINT)) AND (counter < CAST($2 AS BIGINT) OR (counter = 0 AND CAST($2 AS BIGINT) = 0));

-- name: HoldPasskey :execrows
UPDATE passkey SET state = 'held' WHERE id = $1 AND state IN ('resting', 'active');

-- name: RemovePasskey :execrows
UPDATE passkey SET state = 'removed', ended_at = $3 WHERE id = $1 AND owner = $2 AND state <> 'removed';

-- name: RenamePasskey :execrows
UPDATE passkey SET name = $3 WHERE id = $1 AND owner = $2 AND state <> 'removed';

-- name: InsertCeremony :exec
INSERT INTO ceremony (hash, kind, owner, binding, object, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: TakeCeremony :one
DELETE FROM ceremony WHERE hash = $1 AND kind = $2 AND binding = $3 AND expires_at > $4
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1) RETURNING *;

-- name: DeleteOldCeremonies :exec
DELETE FROM ceremony WHERE expires_at <= $1;

-- name: InsertErrand :exec
INSERT INTO errand (id, customer, chain, act, object, txn, code_mac, tries, proved_at, created_at, expires_at, done_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8, $9, 0);

-- name: ErrandByID :one
SELECT * FROM errand WHERE id = $1;

-- name: LatestErrand :one
SELECT * FROM errand WHERE customer = $1 ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: CountErrandTry :one
UPDATE errand SET tries = tries + 1 WHERE id = $1 AND tries < CAST(sqlc.arg(hard) AS BIGINT) AND done_at = 0 AND proved_at = 0 RETURNING tries;

-- name: ProveErrand :execrows
UPDATE errand SET proved_at = $2 WHERE id = $1 AND proved_at = 0 AND done_at = 0;

-- name: EndErrand :execrows
UPDATE errand SET done_at = $2 WHERE id = $1 AND done_at = 0;

-- name: DeleteOldErrands :exec
DELETE FROM errand WHERE created_at < $1;

-- name: InsertObjection :exec
INSERT INTO objection (mac, customer, topic, object, created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, 0);

-- name: ObjectionByMAC :one
SELECT * FROM objection WHERE mac = $1 AND expires_at > $2 AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: UseObjection :execrows
UPDATE objection SET used_at = $2 WHERE mac = $1 AND used_at = 0;

-- name: DeleteOldObjections :exec
DELETE FROM objection WHERE expires_at <= $1;

-- name: StopCustomer :execrows
UPDATE customer SET state = 'stopped', stopped_at = $2, version = version + 1 WHERE id = $1 AND state = 'active';

-- name: RestartCustomer :execrows
UPDATE customer SET state = 'active', stopped_at = 0, version = version + 1 WHERE id = $1 AND state = 'stopped';

-- name: EndAllSessions :many
UPDATE session SET ended_at = $2 WHERE customer = $1 AND ended_at = 0 RETURNING chain;
