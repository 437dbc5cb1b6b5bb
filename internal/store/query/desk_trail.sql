-- name: TrailByTime :many
SELECT * FROM audit_entry WHERE id < $1 AND id >= $2 ORDER BY id DESC LIMIT $3;

-- name: TrailByCustomer :many
SELECT * FROM audit_entry WHERE customer = $1 AND id < $2 AND id >= $3 ORDER BY id DESC LIMIT $4;

-- name: TrailByStaff :many
SELECT * FROM audit_entry WHERE actor_kind = 'staff' AND actor = $1 AND id < $2 AND id >= $3 ORDER BY id DESC LIMIT $4;

-- name: TrailByAction :many
SELECT * FROM audit_entry WHERE action = $1 AND id < $2 AND id >= $3 AND action <> 'otp.verify' AND action <> 'transaction.create' AND action <> 'transaction.decide' AND action <> 'transaction.consume'
    AND action <> 'login.password' AND action <> 'login.otp' AND action <> 'login.passkey' AND action <> 'login.end' AND action <> 'access.grant' AND action <> 'access.redeem' ORDER BY id DESC LIMIT $4;

-- name: TrailFrom :many
SELECT id, at, actor_kind, action, outcome, reason, detail FROM audit_entry WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3;

-- name: CodesIn :many
SELECT outcome, reason, count(*) AS count FROM audit_entry WHERE id >= $1 AND id < $2 AND action IN ('otp.verify', 'login.otp') GROUP BY outcome, reason;

-- name: FigureMark :one
SELECT upto FROM figure_mark WHERE id = 1;

-- name: MoveFigureMark :execrows
UPDATE figure_mark SET upto = sqlc.arg(next) WHERE id = 1 AND upto = sqlc.arg(was);

-- name: AddFigure :exec
INSERT INTO daily_figure (name, day, count) VALUES ($1, $2, $3) ON CONFLICT (name, day) DO UPDATE SET count = daily_figure.count + excluded.count;

-- name: SetFigure :exec
INSERT INTO daily_figure (name, day, count) VALUES ($1, $2, $3) ON CONFLICT (name, day) DO UPDATE SET count = excluded.count;

-- name: FiguresBetween :many
SELECT day, count FROM daily_figure WHERE name = $1 AND day >= sqlc.arg(first) AND day <= sqlc.arg(last) ORDER BY day;

-- name: TokensEnding :one
SELECT count(*) FROM token WHERE state = 'active' AND expires_at >= sqlc.arg(since) AND expires_at < sqlc.arg(until);

-- name: InsertTrailExport :exec
INSERT INTO trail_export (id, staff_order, staff, checker, filter, made_at, until_at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: TrailExportByID :one
SELECT * FROM trail_export WHERE id = $1;

-- name: TrailExportsOf :many
SELECT * FROM trail_export WHERE staff = $1 AND until_at > sqlc.arg(now) ORDER BY id DESC LIMIT 20;

-- name: OpenReleaseAges :many
SELECT received_at FROM release_request WHERE state IN ('received', 'submitted') AND state IN ('made', 'received', 'submitted') LIMIT 20000;
