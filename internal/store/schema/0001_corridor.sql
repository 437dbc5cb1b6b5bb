-- +goose Up

-- A customer of the bank, known by the bank's own reference. Passwords are PHC strings over a pepper.
CREATE TABLE customer (
    id TEXT PRIMARY KEY,
    ref TEXT NOT NULL CONSTRAINT customer_ref_unique UNIQUE,
    login_id TEXT NOT NULL CONSTRAINT customer_login_id_unique UNIQUE,
    name TEXT NOT NULL,
    kana TEXT NOT NULL,
    branch TEXT NOT NULL,
    account_type TEXT NOT NULL,
    account_number TEXT NOT NULL,
    phone TEXT NOT NULL,
    login_password TEXT NOT NULL,
    login_initial BOOLEAN NOT NULL,
    confirm_password TEXT NOT NULL,
    confirm_initial BOOLEAN NOT NULL,
    state TEXT NOT NULL CONSTRAINT customer_state CHECK (state IN ('active', 'stopped')),
    reapply_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- A place where notices go. Never deleted while it may still be told something.
CREATE TABLE address (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    mail TEXT NOT NULL,
    state TEXT NOT NULL CONSTRAINT address_state CHECK (state IN ('usable', 'bounced', 'retired')),
    since BIGINT NOT NULL,
    CONSTRAINT address_unique UNIQUE (customer, mail)
);

-- The course from the application for a token to the start of its use; owns the two codes.
CREATE TABLE enrolment (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    state TEXT NOT NULL CONSTRAINT enrolment_state CHECK (state IN ('ordered', 'registered', 'completed', 'burnt', 'expired', 'cancelled')),
    address TEXT NOT NULL REFERENCES address (id),
    key_sealed BYTEA NOT NULL,
    key_typed_mac BYTEA NOT NULL,
    key_secret_mac BYTEA NOT NULL,
    key_expires_at BIGINT NOT NULL,
    number_sealed BYTEA NOT NULL,
    number_mac BYTEA NOT NULL,
    tries BIGINT NOT NULL,
    start_tries BIGINT NOT NULL,
    ordered_at BIGINT NOT NULL,
    ordered_device TEXT NOT NULL,
    ordered_source TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    token TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    answer TEXT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT enrolment_ended CHECK ((ended_at > 0) = (state IN ('completed', 'burnt', 'expired', 'cancelled')))
);
CREATE UNIQUE INDEX enrolment_one_open ON enrolment (customer) WHERE state IN ('ordered', 'registered');
CREATE UNIQUE INDEX enrolment_number ON enrolment (number_mac) WHERE state = 'ordered';
CREATE UNIQUE INDEX enrolment_request ON enrolment (request_hash) WHERE state IN ('registered', 'completed');
CREATE INDEX enrolment_customer ON enrolment (customer, ordered_at);
CREATE INDEX enrolment_expiry ON enrolment (expires_at) WHERE state IN ('ordered', 'registered');

-- The instrument that shows codes. Keys are wrapped and bound to their row.
CREATE TABLE token (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    enrolment TEXT NOT NULL REFERENCES enrolment (id),
    state TEXT NOT NULL CONSTRAINT token_state CHECK (state IN ('keyed', 'active', 'suspended', 'locked', 'expired', 'replaced', 'revoked')),
    generation BIGINT NOT NULL,
    platform TEXT NOT NULL,
    signing_key BYTEA NOT NULL,
    key_thumbprint TEXT NOT NULL,
    certificate TEXT NOT NULL,
    otp_key BYTEA NOT NULL,
    ocra_key BYTEA NOT NULL,
    digits BIGINT NOT NULL,
    step_seconds BIGINT NOT NULL,
    last_step BIGINT NOT NULL,
    drift BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT token_ended CHECK ((ended_at > 0) = (state IN ('replaced', 'revoked')))
);
CREATE UNIQUE INDEX token_one_live ON token (customer) WHERE state IN ('active', 'suspended', 'locked');
CREATE INDEX token_customer ON token (customer, registered_at);
CREATE INDEX token_expiry ON token (expires_at) WHERE state = 'active';

-- Where a browser stands. Only the hash of the cookie is kept. Every authentication makes a new session; chain is the first one's id, under which the
-- bank knows the login.
CREATE TABLE session (
    hash BYTEA PRIMARY KEY,
    id TEXT NOT NULL CONSTRAINT session_id_unique UNIQUE,
    chain TEXT NOT NULL,
    customer TEXT NOT NULL REFERENCES customer (id),
    level TEXT NOT NULL CONSTRAINT session_level CHECK (level IN ('password', 'full')),
    amr TEXT NOT NULL,
    channel TEXT NOT NULL CONSTRAINT session_channel CHECK (channel IN ('pc', 'smartphone')),
    device TEXT NOT NULL,
    source TEXT NOT NULL,
    browser TEXT NOT NULL,
    auth_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    previous_at BIGINT NOT NULL,
    previous_place TEXT NOT NULL
);
CREATE INDEX session_customer ON session (customer, created_at);
CREATE INDEX session_chain ON session (chain);

-- A browser that has once completed a login keeps a lane of its own when strangers guess.
CREATE TABLE browser (
    hash BYTEA PRIMARY KEY,
    id TEXT NOT NULL CONSTRAINT browser_id_unique UNIQUE,
    customer TEXT NOT NULL REFERENCES customer (id),
    device TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);

-- Tries of one factor of one customer since the last success.
CREATE TABLE attempt (
    customer TEXT NOT NULL,
    factor TEXT NOT NULL,
    lane TEXT NOT NULL,
    tries BIGINT NOT NULL,
    block BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL,
    PRIMARY KEY (customer, factor, lane)
);

-- Failures of one source within one window of time.
CREATE TABLE throttle (
    bucket TEXT PRIMARY KEY,
    started_at BIGINT NOT NULL,
    count BIGINT NOT NULL
);

-- Identifiers of proofs that were used; a proof is used once.
CREATE TABLE proof (
    id BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX proof_expiry ON proof (expires_at);

-- What is to leave the house. Written with the change that caused it, delivered by a worker.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL,
    topic TEXT NOT NULL,
    address TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    state TEXT NOT NULL CONSTRAINT outbox_state CHECK (state IN ('waiting', 'sent', 'dropped', 'dead')),
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_customer ON outbox (customer, created_at);

-- The trail. Inserted in the write that it tells of; sealed later by a worker.
CREATE TABLE audit_entry (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    customer TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    device TEXT NOT NULL,
    source TEXT NOT NULL,
    detail TEXT NOT NULL,
    sealed_at BIGINT NOT NULL
);
CREATE INDEX audit_customer ON audit_entry (customer, id);
CREATE INDEX audit_unsealed ON audit_entry (id) WHERE sealed_at = 0;

-- What is below the fence is dead, however it came back. One row.
CREATE TABLE fence (
    id BIGINT PRIMARY KEY CONSTRAINT fence_one CHECK (id = 1),
    not_before BIGINT NOT NULL,
    watermark BIGINT NOT NULL
);
INSERT INTO fence (id, not_before, watermark) VALUES (1, 0, 0);

-- Systems of the bank that may call the API, with a hash of their secret.
CREATE TABLE api_client (
    id TEXT PRIMARY KEY,
    secret_hash BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Who runs a worker that must run once.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until_at BIGINT NOT NULL
);
