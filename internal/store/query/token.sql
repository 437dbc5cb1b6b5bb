-- name: InsertToken :exec
INSERT INTO token (id, customer, enrolment, state, generation, platform, signing_key, key_thumbprint, certificate, otp_key, ocra_key,
    digits, step_seconds, last_step, drift, registered_at, started_at, expires_at, ended_at, version)
VALUES ($1, $2, $3, 'keyed', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, 0, $15, 0, 1);

-- name: TokenByID :one
SELECT * FROM token WHERE id = $1;

-- name: LiveToken :one
SELECT * FROM token WHERE customer = $1 AND state IN ('active', 'suspended', 'locked');

-- name: CurrentToken :one
SELECT * FROM token WHERE customer = $1 AND state IN ('active', 'suspended', 'locked', 'expired') ORDER BY started_at DESC LIMIT 1;

-- name: OTPTokens :many
SELECT t.id, t.customer, t.state, t.otp_key, t.digits, t.step_seconds, t.last_step, t.drift, t.expires_at, t.started_at,
    CAST(COALESCE(a.tries, 0) AS BIGINT) AS tries, CAST(COALESCE(a.blocked_until, 0) AS BIGINT) AS blocked_until
FROM token t LEFT JOIN attempt a ON a.customer = t.customer AND a.factor = $2 AND a.lane = ''
WHERE t.customer = $1 AND t.state IN ('active', 'suspended', 'locked', 'expired');

-- name: DownloadsSince :one
SELECT count(*) FROM token t WHERE t.customer = $1 AND t.registered_at > $2 AND t.registered_at > (SELECT c.downloads_from FROM customer c WHERE c.id = $1);

-- name: AcceptStep :execrows
UPDATE token SET last_step = $2, drift = $3
WHERE token.id = $1 AND token.last_step < CAST($2 AS BIGINT) AND state = 'active' AND expires_at > $4
  AND CAST(sqlc.arg(step_at) AS BIGINT) > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: ResyncToken :execrows
UPDATE token SET last_step = $2, drift = $3
WHERE token.id = $1 AND token.last_step < CAST($2 AS BIGINT) - 1 AND state = 'active' AND expires_at > $4
  AND CAST(sqlc.arg(step_at) AS BIGINT) > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: ForgetDrift :execrows
UPDATE token SET drift = 0 WHERE id = $1 AND drift = $2 AND state = 'active';

-- name: StartToken :execrows
UPDATE token SET state = 'active', started_at = $2, last_step = $3, drift = $4, version = version + 1
WHERE token.id = $1 AND state = 'keyed' AND last_step < CAST($3 AS BIGINT) AND expires_at > $2
  AND CAST(sqlc.arg(step_at) AS BIGINT) > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: SetTokenState :execrows
UPDATE token SET state = $2, ended_at = $3, version = version + 1 WHERE id = $1 AND state = $4;

-- name: ExpiredTokens :many
SELECT * FROM token WHERE state = 'active' AND expires_at <= $1 ORDER BY expires_at LIMIT $2;
