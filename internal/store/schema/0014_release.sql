-- +goose Up

-- The security release request. Found by a keyed hash of the number that stands on the paper; sealed holds what was typed by somebody whom we could not recognise, and customer is then empty until a
-- clerk has looked her up. once is the hash of the form that made it, so that a second click makes no second request.
CREATE TABLE release_request (
    id TEXT PRIMARY KEY,
    mac BYTEA NOT NULL CONSTRAINT release_request_mac_unique UNIQUE,
    once BYTEA NOT NULL CONSTRAINT release_request_once_unique UNIQUE,
    customer TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    items TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL CONSTRAINT release_request_state CHECK (state IN ('made', 'received', 'submitted', 'granted', 'declined', 'withdrawn', 'expired')),
    device TEXT NOT NULL,
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT release_request_ended CHECK ((ended_at > 0) = (state IN ('granted', 'declined', 'withdrawn', 'expired')))
);
CREATE INDEX release_request_customer ON release_request (customer, created_at);
CREATE INDEX release_request_expiry ON release_request (expires_at) WHERE state = 'made';
CREATE INDEX release_request_open ON release_request (created_at) WHERE state IN ('made', 'received', 'submitted');
