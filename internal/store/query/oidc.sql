-- name: InsertOIDCClient :exec
INSERT INTO oidc_client (id, name, method, secret_hash, jwks, redirect_uris, post_logout_uris, logout_uri, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: OIDCClientByID :one
SELECT * FROM oidc_client WHERE id = $1;

-- name: InsertOIDCRequest :execrows
INSERT INTO oidc_request (hash, kind, pushed_hash, client, state, data, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (hash) DO NOTHING;

-- name: AdvanceOIDCRequest :execrows
UPDATE oidc_request SET state = $2, data = $3, expires_at = CASE WHEN expires_at < CAST(sqlc.arg(until) AS BIGINT) THEN CAST(sqlc.arg(until) AS BIGINT) ELSE expires_at END
WHERE hash = $1 AND state = 'pending' AND expires_at > $4;

-- name: OIDCRequestByHash :one
SELECT * FROM oidc_request WHERE hash = $1 AND kind = $2 AND expires_at > $3
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: OIDCRequestByPushed :one
SELECT * FROM oidc_request WHERE pushed_hash = $1 AND expires_at > $2
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: DeleteOldOIDCRequests :exec
DELETE FROM oidc_request WHERE expires_at < $1;

-- name: InsertOIDCGrant :exec
INSERT INTO oidc_grant (id, code_hash, client, customer, session, data, created_at, code_expires_at, redeemed_at, revoked_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9);

-- name: OIDCGrantByID :one
SELECT * FROM oidc_grant WHERE oidc_grant.id = $1 AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1) AND EXISTS (SELECT 1 FROM session s WHERE s.chain = oidc_grant.session AND s.ended_at = 0);

-- name: OIDCGrantByCode :one
SELECT * FROM oidc_grant WHERE code_hash = $1 AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: RedeemOIDCCode :execrows
UPDATE oidc_grant SET redeemed_at = $2
WHERE oidc_grant.id = $1 AND redeemed_at = 0 AND revoked_at = 0 AND code_expires_at > $2
  AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1)
  AND EXISTS (SELECT 1 FROM session s WHERE s.chain = oidc_grant.session AND s.ended_at = 0);

-- name: RevokeOIDCGrant :execrows
UPDATE oidc_grant SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0;

-- name: ClientsToTell :many
SELECT DISTINCT c.id, c.logout_uri FROM oidc_grant g JOIN oidc_client c ON c.id = g.client
WHERE g.session = $1 AND g.redeemed_at > 0 AND c.logout_uri <> '';

-- name: DeleteOldOIDCGrants :exec
DELETE FROM oidc_grant WHERE expires_at < $1;

-- name: InsertOIDCAccess :exec
INSERT INTO oidc_access (hash, grant_id, data, expires_at) VALUES ($1, $2, $3, $4);

-- name: OIDCAccessByHash :one
SELECT * FROM oidc_access WHERE hash = $1 AND expires_at > $2;

-- name: DeleteOldOIDCAccess :exec
DELETE FROM oidc_access WHERE expires_at < $1;

-- name: InsertOIDCKey :execrows
INSERT INTO oidc_key (id, sealed, public, created_at, retired_at) VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING;

-- name: OIDCKeys :many
SELECT * FROM oidc_key WHERE retired_at = 0 OR retired_at > $1 ORDER BY created_at DESC, id DESC;
