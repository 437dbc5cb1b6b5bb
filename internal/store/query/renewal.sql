-- name: RenewalOf :one
SELECT * FROM renewal WHERE token = $1 AND id = $2;

-- name: OpenRenewal :one
SELECT * FROM renewal WHERE token = $1 AND state = 'open';

-- name: RenewalsSince :one
SELECT count(*) FROM renewal WHERE token = $1 AND created_at > $2;

-- name: SupersedeRenewal :execrows
UPDATE renewal SET state = 'superseded', ended_at = $2, otp_key = '', ocra_key = '' WHERE token = $1 AND state = 'open';

-- name: InsertRenewal :exec
INSERT INTO renewal (token, id, state, generation, late, platform, request_hash, answer, signing_key, key_thumbprint, certificate, otp_key, ocra_key, digits, step_seconds, expires_at,
    tries, tried, receipt, created_at, ended_at)
VALUES ($1, $2, 'open', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, $16, '', $17, 0);

-- name: CountRenewalTry :one
UPDATE renewal SET tries = tries + 1, tried = $3 WHERE token = $1 AND id = $2 AND state = 'open' AND tries < CAST(sqlc.arg(hard) AS BIGINT) RETURNING tries;

-- name: BurnRenewal :execrows
UPDATE renewal SET state = 'burnt', ended_at = $3, otp_key = '', ocra_key = '' WHERE token = $1 AND id = $2 AND state = 'open';

-- name: ConfirmRenewal :execrows
UPDATE renewal SET state = 'confirmed', receipt = $3, ended_at = $4 WHERE token = $1 AND id = $2 AND state = 'open';

-- name: KeepGeneration :execrows
-- The keys that the next statement replaces.
INSERT INTO generation (token, generation, signing_key, key_thumbprint, certificate, ended_at)
SELECT k.id, k.generation, k.signing_key, k.key_thumbprint, k.certificate, CAST(sqlc.arg(now) AS BIGINT) FROM token k WHERE k.id = $1 AND k.generation = $2;

-- name: SwitchToken :execrows
-- The one statement in which the next keys take the place of the ones in use. A lock, a suspension or an end stays what it is. After its date a token is renewed only where its customer has
-- shown both passwords and the mailed number, and not after the time of grace.
UPDATE token SET state = 'active', generation = $2, platform = $3, signing_key = $4, key_thumbprint = $5, certificate = $6, otp_key = $7, ocra_key = $8, digits = $9, step_seconds = $10,
    last_step = $11, drift = $12, expires_at = $13, version = version + 1
WHERE token.id = $1 AND token.generation = CAST($2 AS BIGINT) - 1 AND token.state IN ('active', 'expired')
  AND token.expires_at > CAST(sqlc.arg(least) AS BIGINT)
  AND CAST(sqlc.arg(step_at) AS BIGINT) > (SELECT f.not_before FROM fence f WHERE f.id = 1)
  AND EXISTS (SELECT 1 FROM customer c WHERE c.id = token.customer AND c.state = 'active')
  AND EXISTS (SELECT 1 FROM renewal r WHERE r.token = token.id AND r.id = sqlc.arg(renewal) AND r.state = 'open' AND r.generation = CAST($2 AS BIGINT));

-- name: GenerationsOf :many
SELECT * FROM generation WHERE token = $1 ORDER BY generation DESC;

-- name: PutRenewalNumber :exec
INSERT INTO renewal_number (token, state, number_mac, tries, tried, created_at, expires_at) VALUES ($1, 'open', $2, 0, $3, $4, $5)
ON CONFLICT (token) DO UPDATE SET state = 'open', number_mac = excluded.number_mac, tries = 0, tried = excluded.tried, created_at = excluded.created_at, expires_at = excluded.expires_at;

-- name: RenewalNumberOf :one
SELECT * FROM renewal_number WHERE token = $1;

-- name: CountNumberTry :one
UPDATE renewal_number SET tries = tries + 1, tried = $2 WHERE token = $1 AND state = 'open' AND expires_at > CAST(sqlc.arg(now) AS BIGINT) AND tries < CAST(sqlc.arg(hard) AS BIGINT) RETURNING tries;

-- name: EndRenewalNumber :execrows
UPDATE renewal_number SET state = $2 WHERE token = $1 AND state = 'open';

-- name: TokensToRemind :many
SELECT * FROM token WHERE state = 'active' AND expires_at > $1 AND expires_at <= $2
  AND NOT EXISTS (SELECT 1 FROM reminder r WHERE r.token = token.id AND r.generation = token.generation AND r.days = $3) ORDER BY expires_at LIMIT 500;

-- name: CalendarAt :one
SELECT at FROM calendar WHERE name = $1;

-- name: TurnCalendar :exec
INSERT INTO calendar (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE calendar.at < excluded.at;

-- name: InsertReminder :execrows
INSERT INTO reminder (token, generation, days, at) VALUES ($1, $2, $3, $4) ON CONFLICT (token, generation, days) DO NOTHING;

-- name: RemindersOf :many
SELECT * FROM reminder WHERE token = $1 ORDER BY generation, days DESC;

-- name: ExpireToken :execrows
-- A token that was renewed since it was read has another date.
UPDATE token SET state = 'expired', version = version + 1 WHERE id = $1 AND state = 'active' AND expires_at <= $2;

-- name: LatestIssuerWord :one
SELECT envelope FROM issuer_key WHERE kid = $1 ORDER BY since DESC LIMIT 1;
