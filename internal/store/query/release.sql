-- name: InsertRelease :execrows
INSERT INTO release_request (id, mac, once, customer, sealed, items, reason, state, device, source, created_at, changed_at, expires_at, ended_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'made', $8, $9, $10, $10, $11, 0, 1) ON CONFLICT (once) DO NOTHING;

-- name: ReleaseByOnce :one
SELECT * FROM release_request WHERE once = $1;

-- name: ReleaseByMAC :one
SELECT * FROM release_request WHERE mac = $1 AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: ReleasesOf :many
SELECT * FROM release_request WHERE customer = $1 ORDER BY created_at DESC, id DESC LIMIT $2;

-- name: MoveRelease :execrows
UPDATE release_request SET state = $2, changed_at = $3, ended_at = $4, version = version + 1 WHERE id = $1 AND state = sqlc.arg(was);

-- name: DeleteOldReleases :exec
DELETE FROM release_request WHERE ended_at > 0 AND ended_at < $1;

-- name: ExpiredReleases :many
SELECT * FROM release_request WHERE state = 'made' AND expires_at <= $1 ORDER BY expires_at LIMIT $2;
