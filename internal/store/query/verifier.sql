-- name: SetVerifier :execrows
UPDATE token SET verifier = $2, version = version + 1 WHERE id = $1 AND verifier = $3 AND state = 'active';

-- name: InsertVerifier :exec
INSERT INTO verifier (passkey, envelope) VALUES ($1, $2);

-- name: VerifiersOf :many
SELECT sqlc.embed(p), v.envelope FROM passkey p JOIN verifier v ON v.passkey = p.id WHERE p.party = 'token' AND p.owner = $1 AND p.state <> 'removed' ORDER BY p.registered_at, p.id;

-- name: VerifierByCredential :one
SELECT sqlc.embed(p), v.envelope FROM passkey p JOIN verifier v ON v.passkey = p.id WHERE p.party = 'token' AND p.credential = $1;

-- name: RemoveVerifiers :exec
-- All of a token but one, which may be none.
UPDATE passkey SET state = 'removed', ended_at = $3 WHERE party = 'token' AND owner = $1 AND id <> $2 AND state <> 'removed';
