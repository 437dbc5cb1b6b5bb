-- +goose Up

-- What a customer was told, as she finds it in her inbox: written in the write that it tells of. It holds no code by which anything can be done.
CREATE TABLE notice (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    topic TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    read_at BIGINT NOT NULL
);
CREATE INDEX notice_customer ON notice (customer, id);
CREATE INDEX notice_age ON notice (created_at);

-- Which of the mails that she may do without a customer wants. What she has not chosen has no row. It counts from that moment on: to be told no more is announced first.
CREATE TABLE mail_choice (
    customer TEXT NOT NULL REFERENCES customer (id),
    kind TEXT NOT NULL,
    wanted BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (customer, kind)
);

-- An address that was replaced is told of everything until then, so that its reader can object; 0 is never. replaces is the address in whose place this one came.
ALTER TABLE address ADD COLUMN told_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE address ADD COLUMN replaces TEXT NOT NULL DEFAULT '';

-- The list of acts grows, which a constraint of SQLite cannot: the table is made anew with the next list. Nothing refers to it.
CREATE TABLE errand_next (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    chain TEXT NOT NULL,
    act TEXT NOT NULL CONSTRAINT errand_act CHECK (act IN ('passkey.add', 'passkey.remove', 'token.stop', 'address.change')),
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
INSERT INTO errand_next (id, customer, chain, act, object, txn, code_mac, tries, proved_at, created_at, expires_at, done_at)
SELECT id, customer, chain, act, object, txn, code_mac, tries, proved_at, created_at, expires_at, done_at FROM errand;
DROP TABLE errand;
ALTER TABLE errand_next RENAME TO errand;
CREATE INDEX errand_customer ON errand (customer, created_at);
CREATE INDEX errand_age ON errand (created_at);
