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

-- name: ReleaseByID :one
SELECT * FROM release_request WHERE release_request.id = $1 AND created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1);

-- name: OpenCases :many
SELECT sqlc.embed(r), CAST(COALESCE(c.state, '') AS TEXT) AS service, CAST(COALESCE(c.name, '') AS TEXT) AS name FROM release_request r LEFT JOIN customer c ON c.id = r.customer
WHERE r.state = $1 AND r.state IN ('made', 'received', 'submitted') AND r.id > $2 ORDER BY r.id LIMIT $3;

-- name: OpenCasesOfBranch :many
SELECT sqlc.embed(r), CAST(COALESCE(c.state, '') AS TEXT) AS service, CAST(COALESCE(c.name, '') AS TEXT) AS name FROM release_request r LEFT JOIN customer c ON c.id = r.customer
WHERE r.branch = $1 AND r.state = $2 AND r.state IN ('made', 'received', 'submitted') AND r.id > $3 ORDER BY r.id LIMIT $4;

-- name: ClosedCases :many
SELECT sqlc.embed(r), CAST(COALESCE(c.state, '') AS TEXT) AS service, CAST(COALESCE(c.name, '') AS TEXT) AS name FROM release_request r LEFT JOIN customer c ON c.id = r.customer
WHERE r.ended_at > 0 AND r.id < $1 ORDER BY r.id DESC LIMIT $2;

-- name: ClosedCasesOfBranch :many
SELECT sqlc.embed(r), CAST(COALESCE(c.state, '') AS TEXT) AS service, CAST(COALESCE(c.name, '') AS TEXT) AS name FROM release_request r LEFT JOIN customer c ON c.id = r.customer
WHERE r.branch = $1 AND r.ended_at > 0 AND r.id < $2 ORDER BY r.id DESC LIMIT $3;

-- name: SetReleaseOrigin :execrows
UPDATE release_request SET origin = $2 WHERE id = $1;

-- name: SetReleaseBranch :execrows
UPDATE release_request SET branch = $2 WHERE id = $1;

-- name: ReceiveRelease :execrows
UPDATE release_request SET state = 'received', received_at = $2, changed_at = $2, hands = $3, desk = $4, version = version + 1 WHERE id = $1 AND state = 'made' AND expires_at > CAST($2 AS BIGINT);

-- name: EditRelease :execrows
-- With version, so that nobody writes over what another has written meanwhile; with state, so that what was sent to the checker stays what it was.
UPDATE release_request SET customer = $2, branch = $3, desk = $4, hands = $5, changed_at = $6, version = version + 1 WHERE id = $1 AND state = 'received' AND version = $7;

-- name: SubmitRelease :execrows
UPDATE release_request SET state = 'submitted', desk = $2, hands = $3, maker = $4, maker_passkey = $5, maker_session = $6, request_hash = $7, submitted_at = $8, changed_at = $8, version = version + 1
WHERE id = $1 AND state = 'received' AND version = $9;

-- name: SendBackRelease :execrows
UPDATE release_request SET state = 'received', said = $2, request_hash = $3, changed_at = $4, hands = $6, version = version + 1 WHERE id = $1 AND state = 'submitted' AND version = $5;

-- name: GrantRelease :execrows
-- All that was seen and all that must still be so, in one statement: the request that was sent, as it was sent, and its maker still at work.
UPDATE release_request SET state = 'granted', checker = $2, issue = $3, enrolment = $4, changed_at = $5, ended_at = $5, version = version + 1
WHERE release_request.id = $1 AND release_request.state = 'submitted' AND version = $6 AND request_hash = $7 AND EXISTS (SELECT 1 FROM staff m WHERE m.id = release_request.maker AND m.state = 'active');

-- name: DeclineRelease :execrows
UPDATE release_request SET state = 'declined', checker = $2, said = $3, changed_at = $4, ended_at = $4, version = version + 1 WHERE id = $1 AND state = sqlc.arg(was) AND version = $5;

-- name: HandRelease :execrows
UPDATE release_request SET handed = handed + 1, handed_at = $2, handed_by = $3 WHERE id = $1 AND state = 'granted' AND handed = sqlc.arg(was);

-- name: CasesByMaker :one
-- The second condition is the index's own.
SELECT count(*) FROM release_request WHERE maker = $1 AND submitted_at > $2 AND submitted_at > 0;

-- name: CasesAtBranch :one
SELECT count(*) FROM release_request WHERE branch = $1 AND submitted_at > $2 AND submitted_at > 0;

-- name: SessionsFrom :one
-- Found by the customer, who has few sessions; a network may have had millions.
SELECT count(*) FROM session WHERE customer = $1 AND source || '' = CAST(sqlc.arg(network) AS TEXT) AND created_at < $2;

-- name: ReportsOf :one
SELECT count(*) FROM txn WHERE customer = $1 AND state = 'reported';

-- name: InsertScan :execrows
INSERT INTO release_scan (id, request, kind, size, hash, sealed, staff, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (request, hash) DO NOTHING;

-- name: ScansOf :many
SELECT id, request, kind, size, hash, staff, created_at FROM release_scan WHERE request = $1 ORDER BY id;

-- name: ScanByID :one
SELECT * FROM release_scan WHERE id = $1 AND request = $2;

-- name: DeleteOldScans :exec
DELETE FROM release_scan WHERE created_at < $1;

-- name: ResetDownloads :execrows
UPDATE customer SET downloads_from = $2, version = version + 1 WHERE id = $1 AND downloads_from < CAST($2 AS BIGINT);

-- name: IssueLoginPassword :execrows
UPDATE customer SET login_password = $2, login_initial = TRUE, version = version + 1 WHERE id = $1;

-- name: IssueConfirmPassword :execrows
UPDATE customer SET confirm_password = $2, confirm_initial = TRUE, version = version + 1 WHERE id = $1;

-- name: ReissueLoginPassword :execrows
-- Only while it is still one that we have made: what she has chosen since is hers.
UPDATE customer SET login_password = $2, version = version + 1 WHERE id = $1 AND login_initial AND state = 'active';

-- name: ReissueConfirmPassword :execrows
UPDATE customer SET confirm_password = $2, version = version + 1 WHERE id = $1 AND confirm_initial AND state = 'active';

-- name: ClearAllTries :exec
-- In every lane: those of strangers, and of every browser that is known.
UPDATE attempt SET tries = 0, block = 0, blocked_until = 0 WHERE customer = $1 AND factor = $2;

-- name: ForgetBrowsers :exec
DELETE FROM browser WHERE customer = $1;
