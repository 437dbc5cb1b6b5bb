-- name: InsertStaff :exec
INSERT INTO staff (id, name, role, state, handle, word_tries, invited_by, created_at, open_until, registered_at, confirmed_at, ended_at, person, branch)
VALUES ($1, $2, $3, 'invited', $4, 0, $5, $6, $7, 0, 0, 0, $8, $9);

-- name: StaffByID :one
SELECT * FROM staff WHERE id = $1;

-- name: AllStaff :many
SELECT * FROM staff ORDER BY created_at, id;

-- name: RegisterStaff :execrows
UPDATE staff SET state = 'registered', registered_at = $2, open_until = $3 WHERE id = $1 AND state = 'invited' AND open_until > CAST($2 AS BIGINT);

-- name: CountWordTry :one
-- A restored copy would give its tries back, so what was registered before a fence cannot be confirmed either.
UPDATE staff SET word_tries = word_tries + 1 WHERE staff.id = $1 AND state = 'registered' AND open_until > $2 AND word_tries < CAST(sqlc.arg(hard) AS BIGINT)
  AND registered_at > (SELECT f.not_before FROM fence f WHERE f.id = 1) RETURNING word_tries;

-- name: ConfirmStaff :execrows
UPDATE staff SET state = 'active', confirmed_at = $2 WHERE id = $1 AND state = 'registered';

-- name: SuspendStaff :execrows
UPDATE staff SET state = 'suspended' WHERE id = $1 AND state = 'active';

-- name: ResumeStaff :execrows
UPDATE staff SET state = 'active' WHERE id = $1 AND state = 'suspended';

-- name: RemoveStaff :execrows
UPDATE staff SET state = 'removed', ended_at = $2 WHERE id = $1 AND state <> 'removed';

-- name: LapsedStaff :many
SELECT * FROM staff WHERE state IN ('invited', 'registered') AND open_until <= $1 ORDER BY open_until LIMIT $2;

-- name: LapseStaff :execrows
UPDATE staff SET state = 'removed', ended_at = $2 WHERE id = $1 AND state IN ('invited', 'registered') AND open_until <= CAST($2 AS BIGINT);

-- name: RemovePasskeysOf :exec
UPDATE passkey SET state = 'removed', ended_at = $3 WHERE party = $1 AND owner = $2 AND state <> 'removed';

-- name: InsertStaffLink :exec
INSERT INTO staff_link (mac, staff, created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, 0);

-- name: StaffLinkByMAC :one
SELECT * FROM staff_link WHERE mac = $1 AND expires_at > $2 AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: UseStaffLink :execrows
UPDATE staff_link SET used_at = $2 WHERE mac = $1 AND used_at = 0 AND expires_at > CAST($2 AS BIGINT)
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: InsertStaffSession :exec
INSERT INTO staff_session (hash, id, staff, passkey, device, source, created_at, seen_at, expires_at, ended_at, previous_at, previous_place)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, 0, $9, $10);

-- name: LiveStaffSession :one
SELECT s.*, m.name, m.role, m.person, m.branch FROM staff_session s JOIN staff m ON m.id = s.staff WHERE s.hash = $1 AND s.ended_at = 0 AND s.expires_at > $2 AND s.seen_at > $3 AND m.state = 'active'
  AND s.created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: LiveStaffSessions :many
SELECT * FROM staff_session WHERE staff = $1 AND ended_at = 0 AND expires_at > $2 AND seen_at > $3
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1) ORDER BY created_at DESC, id DESC;

-- name: LastStaffSession :one
SELECT * FROM staff_session WHERE staff = $1 ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: TouchStaffSession :exec
UPDATE staff_session SET seen_at = $2 WHERE hash = $1 AND seen_at < $2;

-- name: EndStaffSession :execrows
UPDATE staff_session SET ended_at = $3 WHERE id = $1 AND staff = $2 AND ended_at = 0;

-- name: EndStaffSessionByHash :execrows
UPDATE staff_session SET ended_at = $2 WHERE hash = $1 AND ended_at = 0;

-- name: EndStaffSessions :execrows
UPDATE staff_session SET ended_at = $2 WHERE staff = $1 AND ended_at = 0;

-- name: DeleteOldStaffSessions :exec
DELETE FROM staff_session WHERE expires_at < $1;
