-- +goose Up

-- Who a customer is to authenticators: random bytes that say nothing of her. Empty until her first passkey.
ALTER TABLE customer ADD COLUMN handle BYTEA NOT NULL DEFAULT '';
CREATE UNIQUE INDEX customer_handle ON customer (handle) WHERE length(handle) > 0;
-- Since when her service stands still because she said that something was not her doing. 0 is never.
ALTER TABLE customer ADD COLUMN stopped_at BIGINT NOT NULL DEFAULT 0;

-- The public half of a passkey. party says where it is good: each party has an origin of its own. An authenticator's credential is registered once in this house.
CREATE TABLE passkey (
    id TEXT PRIMARY KEY,
    party TEXT NOT NULL CONSTRAINT passkey_party CHECK (party IN ('login', 'staff', 'token')),
    owner TEXT NOT NULL,
    credential BYTEA NOT NULL CONSTRAINT passkey_credential_unique UNIQUE,
    public_key BYTEA NOT NULL,
    counter BIGINT NOT NULL,
    backup_eligible BOOLEAN NOT NULL,
    backed_up BOOLEAN NOT NULL,
    aaguid TEXT NOT NULL,
    transports TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CONSTRAINT passkey_state CHECK (state IN ('resting', 'active', 'held', 'removed')),
    usable_at BIGINT NOT NULL,
    errand TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    registered_device TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    used_device TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    CONSTRAINT passkey_ended CHECK ((ended_at > 0) = (state = 'removed')),
    CONSTRAINT passkey_backup CHECK (backup_eligible OR NOT backed_up)
);
CREATE INDEX passkey_owner ON passkey (owner, registered_at);

-- A challenge that a browser was given, found by its hash. Taken once; bound to what it is for, to whom it was given, and to her session or to the browser's form.
CREATE TABLE ceremony (
    hash BYTEA PRIMARY KEY,
    kind TEXT NOT NULL CONSTRAINT ceremony_kind CHECK (kind IN ('register', 'login', 'staff_register', 'staff_login', 'token_register')),
    owner TEXT NOT NULL,
    binding BYTEA NOT NULL,
    object TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ceremony_expiry ON ceremony (expires_at);

-- What a customer wants to have changed at an authenticator of hers, until it is proved and done: by a transaction that her token app approves, or, where she has no token, by her
-- passwords and a code that was mailed to her.
CREATE TABLE errand (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    chain TEXT NOT NULL,
    act TEXT NOT NULL CONSTRAINT errand_act CHECK (act IN ('passkey.add', 'passkey.remove', 'token.stop')),
    object TEXT NOT NULL,
    txn TEXT NOT NULL,
    code_mac BYTEA NOT NULL,
    tries BIGINT NOT NULL,
    proved_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    done_at BIGINT NOT NULL,
    CONSTRAINT errand_proof CHECK ((txn = '') <> (length(code_mac) = 0))
);
CREATE INDEX errand_customer ON errand (customer, created_at);
CREATE INDEX errand_age ON errand (created_at);

-- A code by which the reader of a notice says that it was not her. Kept as a keyed hash.
CREATE TABLE objection (
    mac BYTEA PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    topic TEXT NOT NULL,
    object TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE INDEX objection_expiry ON objection (expires_at);
