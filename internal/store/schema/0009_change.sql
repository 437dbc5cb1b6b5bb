-- +goose Up

-- What an enrolment is for: a token where the customer has none, or one in the place of another: moved with the old phone at hand, re-issued without it, or released by the bank's staff.
-- replaces is the token that ends in the write in which the new one is used first; empty where there is none.
ALTER TABLE enrolment ADD COLUMN purpose TEXT NOT NULL DEFAULT 'first' CONSTRAINT enrolment_purpose CHECK (purpose IN ('first', 'move', 'reissue', 'release'));
ALTER TABLE enrolment ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
-- The transaction by which the old phone approves a move; empty elsewhere.
ALTER TABLE enrolment ADD COLUMN txn TEXT NOT NULL DEFAULT '';

-- Changes of authenticators and addresses, each with the time until which the bank is told to be careful (B-07). A change that was undone is over at once.
CREATE TABLE cooling (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    change TEXT NOT NULL,
    object TEXT NOT NULL,
    approved BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX cooling_customer ON cooling (customer, until);
