-- +goose Up

-- The passkey by which a token's user confirms her approvals; empty where she has none. It stands in the token's row so that the statement that approves can ask for it.
ALTER TABLE token ADD COLUMN verifier TEXT NOT NULL DEFAULT '';

-- What a device has signed of a passkey of party 'token': that it is its own. Never deleted: evidence needs it.
CREATE TABLE verifier (
    passkey TEXT PRIMARY KEY REFERENCES passkey (id),
    envelope TEXT NOT NULL
);
