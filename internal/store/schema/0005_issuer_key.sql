-- +goose Up

-- The root's words for the issuer keys that were in use. Never deleted: evidence needs the one that spoke for the key when its offer was made. A key may have several, one after the other.
CREATE TABLE issuer_key (
    hash TEXT PRIMARY KEY,
    kid TEXT NOT NULL,
    envelope TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    since BIGINT NOT NULL
);
CREATE INDEX issuer_key_kid ON issuer_key (kid, since);
