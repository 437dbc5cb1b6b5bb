-- +goose Up

-- What one member of staff asks and another person checks. body is what is to be done, detail what it would change as it was when it was asked, hash is over all of the row that the checker sees;
-- whoever checks says which hash. maker_* say who asked, as a human being, by which passkey and in which session: none of them may be the checker's.
CREATE TABLE staff_order (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    customer TEXT NOT NULL,
    body TEXT NOT NULL,
    detail TEXT NOT NULL,
    reason TEXT NOT NULL,
    hash BYTEA NOT NULL,
    state TEXT NOT NULL CONSTRAINT staff_order_state CHECK (state IN ('asked', 'carried', 'declined', 'withdrawn', 'expired')),
    maker TEXT NOT NULL REFERENCES staff (id),
    maker_person TEXT NOT NULL,
    maker_session BYTEA NOT NULL,
    maker_passkey TEXT NOT NULL,
    checker TEXT NOT NULL,
    checker_person TEXT NOT NULL,
    checker_reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    CONSTRAINT staff_order_ended CHECK ((ended_at > 0) = (state <> 'asked')),
    CONSTRAINT staff_order_two_persons CHECK (state NOT IN ('carried', 'declined') OR (checker <> '' AND checker <> maker AND checker_person <> maker_person))
);
CREATE UNIQUE INDEX staff_order_one_open ON staff_order (kind, target) WHERE state = 'asked';
CREATE INDEX staff_order_open ON staff_order (expires_at) WHERE state = 'asked';
CREATE INDEX staff_order_kind ON staff_order (kind, id);
CREATE INDEX staff_order_maker ON staff_order (maker, id);
CREATE INDEX staff_order_customer ON staff_order (customer, id);

-- What is frozen for the whole bank. Read in the write of everything that it stops.
CREATE TABLE kill_switch (
    name TEXT PRIMARY KEY CONSTRAINT kill_switch_name CHECK (name IN ('registrations', 'transfers')),
    frozen BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    staff_order TEXT NOT NULL
);
INSERT INTO kill_switch (name, frozen, since, staff_order) VALUES ('registrations', FALSE, 0, ''), ('transfers', FALSE, 0, '');

-- Numbers of the policy that were set at the console; they go before the configuration file, on every node. The orders that set them are their history.
CREATE TABLE policy_number (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    since BIGINT NOT NULL,
    staff_order TEXT NOT NULL
);

-- Whom a member of staff has looked up lately, and by what. Without a row a customer's page does not open (C-74).
CREATE TABLE customer_look (
    staff TEXT NOT NULL REFERENCES staff (id),
    customer TEXT NOT NULL REFERENCES customer (id),
    via TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (staff, customer)
);
CREATE INDEX customer_look_age ON customer_look (at);

-- One row, locked by the writes that must not run beside one another: two that together would leave no administrator, or a policy that does not hold.
CREATE TABLE desk_turn (
    id BIGINT PRIMARY KEY CONSTRAINT desk_turn_one CHECK (id = 1),
    turns BIGINT NOT NULL
);
INSERT INTO desk_turn (id, turns) VALUES (1, 0);

CREATE INDEX staff_person ON staff (person, id);
