-- +goose Up

-- A renewal of a token's keys, from the request of its app (R1) to the first code under the new keys (R2). id is the app's own; the same request gets the same answer while it is open. Nothing of
-- the token changes before the switch: until then its old keys are the ones in use.
CREATE TABLE renewal (
    token TEXT NOT NULL REFERENCES token (id),
    id TEXT NOT NULL,
    state TEXT NOT NULL CONSTRAINT renewal_state CHECK (state IN ('open', 'confirmed', 'superseded', 'burnt')),
    generation BIGINT NOT NULL,
    late BOOLEAN NOT NULL,
    platform TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    answer TEXT NOT NULL,
    signing_key BYTEA NOT NULL,
    key_thumbprint TEXT NOT NULL,
    certificate TEXT NOT NULL,
    otp_key BYTEA NOT NULL,
    ocra_key BYTEA NOT NULL,
    digits BIGINT NOT NULL,
    step_seconds BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    tried BYTEA NOT NULL,
    receipt TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    PRIMARY KEY (token, id),
    CONSTRAINT renewal_ended CHECK ((ended_at > 0) = (state <> 'open')),
    CONSTRAINT renewal_receipt CHECK ((receipt <> '') = (state = 'confirmed'))
);
CREATE UNIQUE INDEX renewal_one_open ON renewal (token) WHERE state = 'open';
CREATE UNIQUE INDEX renewal_one_confirmed ON renewal (token, generation) WHERE state = 'confirmed';

-- Keys that a token had before its last renewal. Never deleted: what they have signed is verified with them, years later.
CREATE TABLE generation (
    token TEXT NOT NULL REFERENCES token (id),
    generation BIGINT NOT NULL,
    signing_key BYTEA NOT NULL,
    key_thumbprint TEXT NOT NULL,
    certificate TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    PRIMARY KEY (token, generation)
);

-- The registration number of a token whose date has passed: mailed after both passwords, typed into its app. One for each token, a new one in the place of the old.
CREATE TABLE renewal_number (
    token TEXT PRIMARY KEY REFERENCES token (id),
    state TEXT NOT NULL CONSTRAINT renewal_number_state CHECK (state IN ('open', 'used', 'burnt')),
    number_mac BYTEA NOT NULL,
    tries BIGINT NOT NULL,
    tried BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- What a token's customer was told of its date: so many days before it, or 0 on it. The row decides who tells her.
CREATE TABLE reminder (
    token TEXT NOT NULL REFERENCES token (id),
    generation BIGINT NOT NULL,
    days BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (token, generation, days)
);

-- Up to which moment the calendar has been looked through.
CREATE TABLE calendar (
    name TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);
