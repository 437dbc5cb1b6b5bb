-- name: InsertIssuerKey :execrows
INSERT INTO issuer_key (hash, kid, envelope, not_before, expires, since) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING;

-- name: HasIssuerKey :one
SELECT count(*) FROM issuer_key WHERE hash = $1;

-- name: IssuerKeyAt :one
SELECT envelope FROM issuer_key WHERE kid = $1 AND not_before <= sqlc.arg(latest) AND expires > sqlc.arg(at) ORDER BY since DESC LIMIT 1;
