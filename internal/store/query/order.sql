-- name: InsertOrder :execrows
INSERT INTO staff_order (id, kind, target, customer, body, detail, reason, hash, state, maker, maker_person, maker_session, maker_passkey, checker, checker_person, checker_reason, created_at, expires_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'asked', $9, $10, $11, $12, '', '', '', $13, $14, 0) ON CONFLICT (kind, target) WHERE state = 'asked' DO NOTHING;

-- name: OrderByID :one
SELECT * FROM staff_order WHERE id = $1;

-- name: OpenOrderOf :one
SELECT * FROM staff_order WHERE kind = $1 AND target = $2 AND state = 'asked';

-- name: DecideOrder :execrows
-- A restored copy knows nothing of what was declined or withdrawn since, so what was asked before a fence is not carried out.
UPDATE staff_order SET state = $2, checker = $3, checker_person = $4, checker_reason = $5, ended_at = $6
WHERE staff_order.id = $1 AND state = 'asked' AND hash = $7 AND expires_at > CAST($6 AS BIGINT) AND maker <> $3 AND maker_person <> $4
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: WithdrawOrder :execrows
UPDATE staff_order SET state = 'withdrawn', ended_at = $3 WHERE id = $1 AND maker = $2 AND state = 'asked' AND expires_at > CAST($3 AS BIGINT);

-- name: ExpireOrder :execrows
UPDATE staff_order SET state = 'expired', ended_at = $2 WHERE id = $1 AND state = 'asked' AND expires_at <= CAST($2 AS BIGINT);

-- name: OpenOrders :many
SELECT * FROM staff_order WHERE state = 'asked' AND expires_at > $1 ORDER BY expires_at, id LIMIT $2;

-- name: DueOrders :many
SELECT * FROM staff_order WHERE state = 'asked' AND expires_at <= $1 ORDER BY expires_at LIMIT $2;

-- name: EndedOrders :many
SELECT * FROM staff_order WHERE kind = $1 AND state <> 'asked' AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: OrdersBy :many
SELECT * FROM staff_order WHERE maker = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: OrdersAbout :many
SELECT * FROM staff_order WHERE customer = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: KillSwitch :one
SELECT * FROM kill_switch WHERE name = $1;

-- name: KillSwitches :many
SELECT * FROM kill_switch ORDER BY name;

-- name: SetKillSwitch :execrows
UPDATE kill_switch SET frozen = $2, since = $3, staff_order = $4 WHERE name = $1 AND frozen <> $2;

-- name: TakeDeskTurn :exec
UPDATE desk_turn SET turns = turns + 1 WHERE id = 1;

-- name: StaffPage :many
SELECT * FROM staff WHERE id < $1 ORDER BY id DESC LIMIT $2;

-- name: StaffByPerson :many
SELECT * FROM staff WHERE person = $1 ORDER BY id DESC LIMIT $2;

-- name: SetStaffRole :execrows
UPDATE staff SET role = $2 WHERE id = $1 AND role = sqlc.arg(was) AND state IN ('active', 'suspended');

-- name: OtherAdministrators :one
SELECT count(*) FROM staff WHERE role = 'administrator' AND state = 'active' AND id <> $1;

-- name: AdministratorsBeside :one
SELECT count(*) FROM staff WHERE role = 'administrator' AND state = 'active' AND person <> $1 AND person <> sqlc.arg(other);

-- name: PolicyNumbers :many
SELECT * FROM policy_number ORDER BY name;

-- name: PutPolicyNumber :exec
INSERT INTO policy_number (name, value, since, staff_order) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, since = excluded.since, staff_order = excluded.staff_order;

-- name: DropPolicyNumber :execrows
DELETE FROM policy_number WHERE name = $1;
