-- name: InsertSession :exec
INSERT INTO session (hash, id, chain, customer, level, amr, channel, device, source, browser, auth_at, created_at, seen_at, expires_at, ended_at, previous_at, previous_place)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, 0, $14, $15);

-- name: LiveSession :one
SELECT * FROM session WHERE hash = $1 AND ended_at = 0 AND expires_at > $2 AND seen_at > $3
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: TouchSession :exec
UPDATE session SET seen_at = $2 WHERE hash = $1 AND seen_at < $2;

-- name: EndSession :execrows
UPDATE session SET ended_at = $2 WHERE hash = $1 AND ended_at = 0;

-- name: EndSessionByID :one
UPDATE session SET ended_at = $3 WHERE id = $1 AND customer = $2 AND ended_at = 0 RETURNING chain;

-- name: EndOtherSessions :many
UPDATE session SET ended_at = $3 WHERE customer = $1 AND hash <> $2 AND ended_at = 0 RETURNING chain;

-- name: LiveSessionsOf :many
SELECT * FROM session WHERE customer = $1 AND ended_at = 0 AND level = 'full' AND expires_at > $2 AND seen_at > $3
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1) ORDER BY created_at DESC;

-- name: LastFullSession :one
SELECT * FROM session WHERE customer = $1 AND level = 'full' ORDER BY created_at DESC LIMIT 1;

-- name: LastLogin :one
-- A login goes on in a new session where something is proved in it: the first of them is the login.
SELECT * FROM session s WHERE s.customer = $1 AND s.level = 'full' AND NOT EXISTS (SELECT 1 FROM session e WHERE e.chain = s.chain AND e.level = 'full' AND e.created_at < s.created_at)
ORDER BY s.created_at DESC LIMIT 1;

-- name: BrowserByHash :one
SELECT * FROM browser WHERE hash = $1 AND customer = $2;

-- name: InsertBrowser :exec
INSERT INTO browser (hash, id, customer, device, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $5);

-- name: TouchBrowser :exec
UPDATE browser SET last_at = $2 WHERE hash = $1;

-- name: DeleteOldSessions :exec
DELETE FROM session WHERE expires_at < $1;
