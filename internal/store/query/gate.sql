-- name: ReserveTry :one
INSERT INTO attempt (customer, factor, lane, tries, block, blocked_until)
VALUES ($1, $2, $3, 1, 0, 0)
ON CONFLICT (customer, factor, lane) DO UPDATE SET
    tries = attempt.tries + 1,
    block = CASE WHEN (attempt.tries + 1) % CAST(sqlc.arg(every) AS BIGINT) <> 0 THEN attempt.block
                 WHEN attempt.block = 0 THEN CAST(sqlc.arg(base) AS BIGINT)
                 WHEN attempt.block * 2 > CAST(sqlc.arg(cap) AS BIGINT) THEN CAST(sqlc.arg(cap) AS BIGINT)
                 ELSE attempt.block * 2 END,
    blocked_until = CASE WHEN (attempt.tries + 1) % CAST(sqlc.arg(every) AS BIGINT) <> 0 THEN 0
                 ELSE CAST(sqlc.arg(now) AS BIGINT) + CASE WHEN attempt.block = 0 THEN CAST(sqlc.arg(base) AS BIGINT)
                 WHEN attempt.block * 2 > CAST(sqlc.arg(cap) AS BIGINT) THEN CAST(sqlc.arg(cap) AS BIGINT)
                 ELSE attempt.block * 2 END END
WHERE attempt.blocked_until <= CAST(sqlc.arg(now) AS BIGINT) AND attempt.tries < CAST(sqlc.arg(hard) AS BIGINT)
RETURNING tries, blocked_until;

-- name: AttemptOf :one
SELECT * FROM attempt WHERE customer = $1 AND factor = $2 AND lane = $3;

-- name: ClearTries :exec
UPDATE attempt SET tries = 0, block = 0, blocked_until = 0 WHERE customer = $1 AND factor = $2 AND lane = $3;

-- name: GiveBackTry :exec
UPDATE attempt SET tries = tries - 1, blocked_until = 0,
    block = CASE WHEN tries % CAST(sqlc.arg(every) AS BIGINT) <> 0 THEN block WHEN block <= CAST(sqlc.arg(base) AS BIGINT) THEN 0 ELSE block / 2 END
WHERE customer = $1 AND factor = $2 AND lane = $3 AND tries > 0;

-- name: CountThrottle :one
INSERT INTO throttle (bucket, started_at, count) VALUES ($1, $2, 1)
ON CONFLICT (bucket) DO UPDATE SET
    count = CASE WHEN throttle.started_at <= CAST(sqlc.arg(stale) AS BIGINT) THEN 1 ELSE throttle.count + 1 END,
    started_at = CASE WHEN throttle.started_at <= CAST(sqlc.arg(stale) AS BIGINT) THEN excluded.started_at ELSE throttle.started_at END
RETURNING started_at, count;

-- name: ThrottleOf :one
SELECT * FROM throttle WHERE bucket = $1;

-- name: DeleteOldThrottles :exec
DELETE FROM throttle WHERE started_at < $1;

-- name: UseProof :execrows
INSERT INTO proof (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING;

-- name: DeleteOldProofs :exec
DELETE FROM proof WHERE expires_at < $1;

-- name: Fence :one
SELECT * FROM fence WHERE id = 1;

-- name: RaiseFence :exec
UPDATE fence SET not_before = CASE WHEN not_before < CAST($1 AS BIGINT) THEN CAST($1 AS BIGINT) ELSE not_before END WHERE id = 1;

-- name: RaiseWatermark :exec
UPDATE fence SET watermark = $1 WHERE id = 1 AND watermark < CAST($1 AS BIGINT);

-- name: SetWatermark :exec
UPDATE fence SET watermark = $1 WHERE id = 1;

-- name: TakeLease :execrows
INSERT INTO lease (name, owner, until_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until_at = excluded.until_at
WHERE lease.owner = excluded.owner OR lease.until_at <= CAST(sqlc.arg(now) AS BIGINT);

-- name: InsertAPIClient :exec
INSERT INTO api_client (id, secret_hash, scopes, created_at, public_key, webhook) VALUES ($1, $2, $3, $4, $5, $6);

-- name: APIClientByID :one
SELECT * FROM api_client WHERE id = $1;
