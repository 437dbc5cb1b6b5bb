-- +goose Up

-- The staff's side of a security release request. branch is that of the representative account, where the paper belongs; desk holds sealed what the clerk has filled in, said the checker's or the
-- clerk's reason. hands are the members who have worked on it, maker the one who has sent it to the checker, and request_hash what she has sent: only that can be granted. issue is what is handed
-- over by letter or in the branch after it was granted, enrolment the order that a registration key of it belongs to, handed how often that was.
ALTER TABLE release_request ADD COLUMN branch TEXT NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN origin TEXT NOT NULL DEFAULT 'customer';
ALTER TABLE release_request ADD COLUMN desk BYTEA NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN said BYTEA NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN hands TEXT NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN maker TEXT NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN maker_passkey TEXT NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN maker_session BYTEA NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN request_hash BYTEA NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN received_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE release_request ADD COLUMN submitted_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE release_request ADD COLUMN checker TEXT NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN issue TEXT NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN enrolment TEXT NOT NULL DEFAULT '';
ALTER TABLE release_request ADD COLUMN handed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE release_request ADD COLUMN handed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE release_request ADD COLUMN handed_by TEXT NOT NULL DEFAULT '';
UPDATE release_request SET branch = (SELECT c.branch FROM customer c WHERE c.id = release_request.customer) WHERE EXISTS (SELECT 1 FROM customer c WHERE c.id = release_request.customer);

-- The queue: of one state the oldest first, of what has ended the newest first, of all branches or of one.
CREATE INDEX release_request_queue ON release_request (state, id) WHERE state IN ('made', 'received', 'submitted');
CREATE INDEX release_request_branch_queue ON release_request (branch, state, id) WHERE state IN ('made', 'received', 'submitted');
CREATE INDEX release_request_closed ON release_request (id) WHERE ended_at > 0;
CREATE INDEX release_request_branch_closed ON release_request (branch, id) WHERE ended_at > 0;
CREATE INDEX release_request_maker ON release_request (maker, submitted_at) WHERE submitted_at > 0;
CREATE INDEX release_request_sent ON release_request (branch, submitted_at) WHERE submitted_at > 0;

-- What was scanned of the paper, sealed and bound to its row. hash is of what was scanned, so that a second click adds no second one, and it is part of what is granted.
CREATE TABLE release_scan (
    id TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    kind TEXT NOT NULL,
    size BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    staff TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT release_scan_once UNIQUE (request, hash)
);
CREATE INDEX release_scan_age ON release_scan (created_at);

-- Registrations before it do not count any more: two members of staff have reset the count.
ALTER TABLE customer ADD COLUMN downloads_from BIGINT NOT NULL DEFAULT 0;

-- All known browsers of one customer are forgotten together.
CREATE INDEX IF NOT EXISTS browser_customer ON browser (customer);
