-- +goose Up

-- A system of the bank to which customers log in through us. It proves itself with a key of its own or with a secret of which we keep the hash.
CREATE TABLE oidc_client (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    method TEXT NOT NULL CONSTRAINT oidc_client_method CHECK (method IN ('private_key_jwt', 'client_secret_basic')),
    secret_hash TEXT NOT NULL,
    jwks TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    post_logout_uris TEXT NOT NULL,
    logout_uri TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT oidc_client_proof CHECK ((method = 'private_key_jwt') = (secret_hash = '') AND (method = 'private_key_jwt') = (jwks <> ''))
);

-- An authorization request, or a logout, on its way: from the client's redirect to our answer. Found by hashes; the handles themselves are not kept.
CREATE TABLE oidc_request (
    hash BYTEA PRIMARY KEY,
    kind TEXT NOT NULL CONSTRAINT oidc_request_kind CHECK (kind IN ('login', 'logout')),
    pushed_hash BYTEA CONSTRAINT oidc_request_pushed UNIQUE,
    client TEXT NOT NULL,
    state TEXT NOT NULL CONSTRAINT oidc_request_state CHECK (state IN ('pending', 'success', 'failure')),
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oidc_request_expiry ON oidc_request (expires_at);

-- What a client was granted by one login of one customer. The code is kept as a hash and redeemed once. session is the chain of the login's sessions.
CREATE TABLE oidc_grant (
    id TEXT PRIMARY KEY,
    code_hash BYTEA NOT NULL CONSTRAINT oidc_grant_code UNIQUE,
    client TEXT NOT NULL REFERENCES oidc_client (id),
    customer TEXT NOT NULL REFERENCES customer (id),
    session TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    code_expires_at BIGINT NOT NULL,
    redeemed_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oidc_grant_session ON oidc_grant (session);
CREATE INDEX oidc_grant_expiry ON oidc_grant (expires_at);

-- An access token of such a grant, good for a few minutes at the userinfo endpoint.
CREATE TABLE oidc_access (
    hash BYTEA PRIMARY KEY,
    grant_id TEXT NOT NULL,
    data TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oidc_access_expiry ON oidc_access (expires_at);

-- Keys that sign ID tokens, wrapped and bound to their row. The newest that is not retired signs; retired ones still verify.
CREATE TABLE oidc_key (
    id TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL,
    public TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX oidc_key_one_signs ON oidc_key (retired_at) WHERE retired_at = 0;
