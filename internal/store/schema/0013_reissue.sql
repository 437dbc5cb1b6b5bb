-- +goose Up

-- The road back of a customer without her phone. Found by the hash of the browser's cookie; each proof has the time at which it was given, 0 before.
CREATE TABLE reissue (
    id TEXT PRIMARY KEY,
    hash BYTEA NOT NULL CONSTRAINT reissue_hash_unique UNIQUE,
    customer TEXT NOT NULL REFERENCES customer (id),
    wish TEXT NOT NULL CONSTRAINT reissue_wish CHECK (wish IN ('token', 'service')),
    state TEXT NOT NULL CONSTRAINT reissue_state CHECK (state IN ('open', 'ordered', 'done', 'expired', 'withdrawn')),
    card_at BIGINT NOT NULL,
    confirm_at BIGINT NOT NULL,
    phone_at BIGINT NOT NULL,
    enrolment TEXT NOT NULL,
    device TEXT NOT NULL,
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    CONSTRAINT reissue_ended CHECK ((ended_at > 0) = (state IN ('done', 'expired', 'withdrawn'))),
    CONSTRAINT reissue_proved CHECK (state NOT IN ('ordered', 'done') OR (card_at > 0 AND confirm_at > 0 AND phone_at > 0))
);
CREATE INDEX reissue_customer ON reissue (customer, created_at);
CREATE INDEX reissue_expiry ON reissue (expires_at) WHERE state IN ('open', 'ordered');

-- A customer is found by the account of her cash card.
CREATE INDEX customer_account ON customer (branch, account_type, account_number);
