-- +goose Up

-- Transaction authentication of a customer: since when she has it, and since when her transfers stand still after a report. 0 is never.
ALTER TABLE customer ADD COLUMN transaction_auth_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE customer ADD COLUMN transfers_stopped_at BIGINT NOT NULL DEFAULT 0;

-- A version of the templates that transactions are shown by. Never deleted: evidence needs it.
CREATE TABLE bundle (
    hash TEXT PRIMARY KEY,
    envelope TEXT NOT NULL,
    since BIGINT NOT NULL
);

-- A list of more than two behind IN makes SQLite build a table of its own for every statement that has to check it, so the states of what is written often are told one by one.

-- What the bank wants confirmed, and what became of it. It is written again with every step, so it is narrow: offer, decision, offline and permit are hashes, and the envelopes
-- that they name stand in txn_envelope. display_ja and display_en are the hashes of what the customer is shown, made once with the offer: a decision is compared with them.
CREATE TABLE txn (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    client TEXT NOT NULL,
    template TEXT NOT NULL,
    state TEXT NOT NULL CONSTRAINT txn_state CHECK (state = 'pending' OR state = 'approved' OR state = 'consumed' OR state = 'rejected' OR state = 'reported' OR state = 'expired'
        OR state = 'cancelled' OR state = 'lapsed'),
    document_hash TEXT NOT NULL,
    offer TEXT NOT NULL,
    display_ja TEXT NOT NULL,
    display_en TEXT NOT NULL,
    bundle TEXT NOT NULL REFERENCES bundle (hash),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    token TEXT NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NOT NULL,
    grade TEXT NOT NULL CONSTRAINT txn_grade CHECK (grade = '' OR grade = 'A' OR grade = 'B'),
    language TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    offline_tries BIGINT NOT NULL,
    offline TEXT NOT NULL,
    approved_until BIGINT NOT NULL,
    request TEXT NOT NULL,
    permit TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT txn_decided CHECK (state = 'cancelled' OR (decided_at = 0) = (state = 'pending' OR state = 'expired')),
    CONSTRAINT txn_permit CHECK ((permit <> '') = (state = 'consumed')),
    CONSTRAINT txn_ended CHECK ((ended_at > 0) = (state NOT IN ('pending', 'approved')))
);
CREATE UNIQUE INDEX txn_one_pending ON txn (customer) WHERE state = 'pending';
CREATE INDEX txn_customer ON txn (customer, created_at);
CREATE INDEX txn_changed ON txn (changed_at);
CREATE INDEX txn_expiry ON txn (expires_at) WHERE state = 'pending';
CREATE INDEX txn_lapse ON txn (approved_until) WHERE state = 'approved';
CREATE INDEX txn_reported ON txn (decided_at) WHERE state = 'reported';

-- The signed envelopes of a transaction, each written once. offer holds the very bytes that the customer is shown and that are never made again.
CREATE TABLE txn_envelope (
    txn TEXT NOT NULL REFERENCES txn (id),
    kind TEXT NOT NULL CONSTRAINT txn_envelope_kind CHECK (kind = 'offer' OR kind = 'decision' OR kind = 'assertion' OR kind = 'offline' OR kind = 'permit'),
    envelope TEXT NOT NULL,
    PRIMARY KEY (txn, kind)
);

-- What a system of the bank has asked for, so that the same request twice is one. Kept for a day.
CREATE TABLE idempotency (
    client TEXT NOT NULL,
    id TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    object TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (client, id)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- Where a token can be woken. The keys are sealed; the endpoint is the push service's secret as well.
CREATE TABLE push (
    token TEXT PRIMARY KEY REFERENCES token (id),
    sealed BYTEA NOT NULL,
    since BIGINT NOT NULL
);

-- Systems of the bank prove themselves with a key of their own, or with a certificate, beside or instead of a secret.
ALTER TABLE api_client ADD COLUMN public_key BYTEA NOT NULL DEFAULT '';
-- Where a system of the bank wants to be told what became of its transactions; empty: nowhere.
ALTER TABLE api_client ADD COLUMN webhook TEXT NOT NULL DEFAULT '';
