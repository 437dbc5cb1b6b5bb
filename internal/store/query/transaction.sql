-- name: InsertBundle :exec
INSERT INTO bundle (hash, envelope, since) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING;

-- name: BundleByHash :one
SELECT * FROM bundle WHERE hash = $1;

-- name: InsertTxn :exec
INSERT INTO txn (id, customer, client, template, state, document_hash, offer, display_ja, display_en, bundle, created_at, expires_at, token, decision, reason, grade, language, decided_at,
    offline_tries, offline, approved_until, request, permit, ended_at, changed_at)
VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8, $9, $10, $11, '', '', '', '', '', 0, 0, '', 0, '', '', 0, $10);

-- name: InsertEnvelope :exec
INSERT INTO txn_envelope (txn, kind, envelope) VALUES ($1, $2, $3);

-- name: EnvelopeOf :one
SELECT envelope FROM txn_envelope WHERE txn = $1 AND kind = $2;

-- name: EnvelopesOf :many
SELECT kind, envelope FROM txn_envelope WHERE txn = $1;

-- name: TxnByID :one
SELECT * FROM txn WHERE id = $1;

-- name: Asked :one
SELECT k.id, k.customer, k.state, k.platform, k.signing_key, k.key_thumbprint, k.expires_at, k.verifier, COALESCE(x.id, '') AS txn, COALESCE(x.client, '') AS client, COALESCE(x.template, '') AS template,
    COALESCE(x.state, '') AS txn_state, COALESCE(x.document_hash, '') AS document_hash, COALESCE(x.offer, '') AS offer, COALESCE(x.display_ja, '') AS display_ja,
    COALESCE(x.display_en, '') AS display_en, COALESCE(x.bundle, '') AS bundle, COALESCE(x.decision, '') AS decision
FROM token k LEFT JOIN txn x ON x.id = $2 AND x.customer = k.customer
WHERE k.id = $1;

-- name: PendingTxn :one
SELECT * FROM txn WHERE customer = $1 AND state = 'pending';

-- name: TokenTxns :many
-- The number behind LIMIT is literal here and below: where it is a parameter, SQLite plans the statement anew each time.
SELECT x.state, x.bundle, x.language, x.expires_at, x.approved_until, x.decided_at, e.envelope AS offer
FROM txn x JOIN txn_envelope e ON e.txn = x.id AND e.kind = 'offer'
WHERE x.customer = $1 AND x.created_at < $2 ORDER BY x.created_at DESC, x.id DESC LIMIT 21;

-- name: TxnsChanged :many
SELECT id, customer, changed_at FROM txn WHERE changed_at >= $1 ORDER BY changed_at LIMIT 10000;

-- name: DecideTxn :execrows
UPDATE txn SET state = $2, token = $3, decision = $4, reason = $5, grade = $6, language = $7, decided_at = CAST(sqlc.arg(now) AS BIGINT), approved_until = $8, ended_at = $9, changed_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE txn.id = $1 AND txn.state = 'pending' AND txn.expires_at > CAST(sqlc.arg(now) AS BIGINT)
  AND txn.created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1)
  AND EXISTS (SELECT 1 FROM token k WHERE k.id = $3 AND k.customer = txn.customer AND k.state = 'active' AND k.expires_at > CAST(sqlc.arg(now) AS BIGINT)
    AND (CAST($2 AS TEXT) <> 'approved' OR k.verifier = sqlc.arg(verifier) AND EXISTS (SELECT 1 FROM customer c WHERE c.id = txn.customer AND c.state = 'active')));

-- name: ApproveTxn :execrows
-- The key by which the decision was verified, and the passkey by which it was confirmed or none, must still be the token's: they may have been read some minutes before.
UPDATE txn SET state = 'approved', token = $2, decision = $3, grade = 'A', language = $4, decided_at = CAST(sqlc.arg(now) AS BIGINT), approved_until = $5, changed_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE txn.id = $1 AND txn.state = 'pending' AND txn.expires_at > CAST(sqlc.arg(now) AS BIGINT)
  AND txn.created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1)
  AND EXISTS (SELECT 1 FROM token k WHERE k.id = $2 AND k.customer = txn.customer AND k.state = 'active' AND k.expires_at > CAST(sqlc.arg(now) AS BIGINT) AND k.key_thumbprint = $6 AND k.verifier = $7)
  AND EXISTS (SELECT 1 FROM customer c WHERE c.id = txn.customer AND c.state = 'active');

-- name: CountOfflineTry :one
UPDATE txn SET offline_tries = txn.offline_tries + 1
WHERE txn.id = $1 AND txn.state = 'pending' AND txn.expires_at > CAST(sqlc.arg(now) AS BIGINT) AND txn.offline_tries < CAST(sqlc.arg(tries) AS BIGINT)
RETURNING offline_tries;

-- name: ConfirmTxnOffline :execrows
UPDATE txn SET state = 'approved', token = $2, offline = $3, grade = 'B', decided_at = CAST(sqlc.arg(now) AS BIGINT), approved_until = $4, changed_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE txn.id = $1 AND txn.state = 'pending' AND txn.expires_at > CAST(sqlc.arg(now) AS BIGINT)
  AND txn.created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1)
  AND EXISTS (SELECT 1 FROM token k WHERE k.id = $2 AND k.customer = txn.customer AND k.state = 'active' AND k.expires_at > CAST(sqlc.arg(now) AS BIGINT))
  AND EXISTS (SELECT 1 FROM customer c WHERE c.id = txn.customer AND c.state = 'active');

-- name: RaiseGrade :execrows
UPDATE txn SET decision = $3, language = $4, grade = 'A', changed_at = $5
WHERE txn.id = $1 AND txn.token = $2 AND txn.grade = 'B' AND txn.decision = '' AND txn.state IN ('approved', 'consumed', 'lapsed');

-- name: ConsumeTxn :execrows
-- What a customer decides about her own authenticators goes on after a report: it is no transfer, and the token to be stopped may be why she reported.
UPDATE txn SET state = 'consumed', request = $2, permit = $3, ended_at = CAST(sqlc.arg(now) AS BIGINT), changed_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE txn.id = $1 AND txn.state = 'approved' AND txn.approved_until > CAST(sqlc.arg(now) AS BIGINT)
  AND txn.created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1)
  AND EXISTS (SELECT 1 FROM customer c WHERE c.id = txn.customer AND c.state = 'active' AND (c.transfers_stopped_at = 0 OR txn.client = 'inkan:login'));

-- name: EndTxn :execrows
UPDATE txn SET state = $2, ended_at = $3, changed_at = $3 WHERE id = $1 AND state = $4;

-- name: OpenTxns :many
SELECT * FROM txn WHERE customer = $1 AND state IN ('pending', 'approved') ORDER BY created_at;

-- name: ExpiredTxns :many
SELECT * FROM txn WHERE state = 'pending' AND expires_at <= $1 ORDER BY expires_at LIMIT $2;

-- name: LapsedTxns :many
SELECT * FROM txn WHERE state = 'approved' AND approved_until <= $1 ORDER BY approved_until LIMIT $2;

-- name: ReportedTxns :many
SELECT * FROM txn WHERE state = 'reported' AND client = $1 AND decided_at < $2 ORDER BY decided_at DESC, id LIMIT 100;

-- name: SetTransactionAuth :execrows
UPDATE customer SET transaction_auth_at = $2, version = version + 1 WHERE id = $1 AND transaction_auth_at = 0;

-- name: EndTransactionAuth :exec
UPDATE customer SET transaction_auth_at = 0, version = version + 1 WHERE id = $1 AND transaction_auth_at > 0;

-- name: StopTransfers :execrows
UPDATE customer SET transfers_stopped_at = $2, version = version + 1 WHERE id = $1 AND transfers_stopped_at = 0;

-- name: ResumeTransfers :execrows
UPDATE customer SET transfers_stopped_at = 0, version = version + 1 WHERE id = $1 AND transfers_stopped_at > 0;

-- name: FindIdempotency :one
SELECT * FROM idempotency WHERE client = $1 AND id = $2;

-- name: InsertIdempotency :exec
INSERT INTO idempotency (client, id, request_hash, object, created_at) VALUES ($1, $2, $3, $4, $5);

-- name: DeleteOldIdempotency :exec
DELETE FROM idempotency WHERE created_at < $1;

-- name: SetPush :exec
INSERT INTO push (token, sealed, since) VALUES ($1, $2, $3) ON CONFLICT (token) DO UPDATE SET sealed = excluded.sealed, since = excluded.since;

-- name: PushOf :one
SELECT * FROM push WHERE token = $1;

-- name: DeletePush :exec
DELETE FROM push WHERE token = $1;

-- name: ForgetThrottle :exec
DELETE FROM throttle WHERE bucket = $1;
