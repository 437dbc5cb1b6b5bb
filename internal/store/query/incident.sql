-- name: OpenIncident :one
INSERT INTO incident (id, kind, object, customer, place, state, outcome, taker, detail, times, opened_at, last_at, taken_at, closed_at)
VALUES ($1, $2, $3, $4, $5, 'open', '', '', $6, 1, $7, $7, 0, 0)
ON CONFLICT (kind, object) WHERE state <> 'closed' DO UPDATE SET times = incident.times + 1, last_at = excluded.last_at
RETURNING id;

-- name: IncidentByID :one
SELECT * FROM incident WHERE id = $1;

-- name: IncidentQueue :many
SELECT * FROM incident WHERE state <> 'closed' AND place < $1 ORDER BY place DESC LIMIT $2;

-- name: PastIncidents :many
SELECT * FROM incident WHERE state = 'closed' AND id < $1 ORDER BY id DESC LIMIT $2;

-- name: IncidentsOf :many
SELECT * FROM incident WHERE customer = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: TakeIncident :execrows
UPDATE incident SET state = 'taken', taker = $2, taken_at = $3 WHERE id = $1 AND state <> 'closed' AND taker = sqlc.arg(was);

-- name: CloseIncident :execrows
UPDATE incident SET state = 'closed', outcome = $2, closed_at = $3 WHERE id = $1 AND state = 'taken' AND taker = $4;

-- name: ReopenIncident :execrows
UPDATE incident SET state = 'taken', outcome = '', closed_at = 0, taker = $2, taken_at = $3 WHERE incident.id = $1 AND incident.state = 'closed'
    AND NOT EXISTS (SELECT 1 FROM incident o WHERE o.kind = incident.kind AND o.object = incident.object AND o.state <> 'closed');

-- name: InsertIncidentNote :exec
INSERT INTO incident_note (id, incident, staff, at, words) VALUES ($1, $2, $3, $4, $5);

-- name: IncidentNotes :many
SELECT n.id, n.at, n.words, n.staff, s.name FROM incident_note n JOIN staff s ON s.id = n.staff WHERE n.incident = $1 ORDER BY n.id DESC LIMIT 200;

-- name: OpenIncidentAges :many
SELECT opened_at FROM incident WHERE state <> 'closed' ORDER BY place DESC LIMIT 20000;

-- name: CodeUses :many
-- Newest first, what may have used up a code of hers lately, however much else was refused since.
SELECT * FROM audit_entry WHERE customer = $1 AND id >= sqlc.arg(since) AND outcome = 'done' AND action IN ('login.otp', 'otp.verify', 'token.start', 'password.change', 'transaction_auth.add', 'service.stop', 'token.resync') ORDER BY id DESC LIMIT 20;

-- name: LoginsFrom :many
SELECT customer, CAST(max(created_at) AS BIGINT) AS at FROM session WHERE source = $1 AND created_at >= sqlc.arg(since) AND created_at <= sqlc.arg(until) AND customer <> sqlc.arg(besides) GROUP BY customer ORDER BY at DESC LIMIT $2;

-- name: ReportedAround :many
SELECT * FROM txn WHERE state = 'reported' AND decided_at >= sqlc.arg(since) AND decided_at <= sqlc.arg(until) ORDER BY decided_at DESC LIMIT $1;
