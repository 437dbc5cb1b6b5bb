-- +goose Up

-- Who works at the console. handle is who a member is to authenticators; open_until ends the link while she is invited, and the registration until it is confirmed.
CREATE TABLE staff (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CONSTRAINT staff_role CHECK (role IN ('clerk', 'checker', 'fraud', 'supervisor', 'auditor', 'administrator')),
    state TEXT NOT NULL CONSTRAINT staff_state CHECK (state IN ('invited', 'registered', 'active', 'suspended', 'removed')),
    handle BYTEA NOT NULL CONSTRAINT staff_handle_unique UNIQUE,
    word_tries BIGINT NOT NULL,
    invited_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    open_until BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    CONSTRAINT staff_confirmed CHECK (state NOT IN ('active', 'suspended') OR confirmed_at > 0),
    CONSTRAINT staff_ended CHECK ((ended_at > 0) = (state = 'removed'))
);
CREATE INDEX staff_open ON staff (open_until) WHERE state IN ('invited', 'registered');

-- The one-time code of an invitation. Kept as a keyed hash.
CREATE TABLE staff_link (
    mac BYTEA PRIMARY KEY,
    staff TEXT NOT NULL REFERENCES staff (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);

CREATE TABLE staff_session (
    hash BYTEA PRIMARY KEY,
    id TEXT NOT NULL CONSTRAINT staff_session_id_unique UNIQUE,
    staff TEXT NOT NULL REFERENCES staff (id),
    passkey TEXT NOT NULL REFERENCES passkey (id),
    device TEXT NOT NULL,
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    previous_at BIGINT NOT NULL,
    previous_place TEXT NOT NULL
);
CREATE INDEX staff_session_staff ON staff_session (staff, created_at);
CREATE INDEX staff_session_age ON staff_session (expires_at);
