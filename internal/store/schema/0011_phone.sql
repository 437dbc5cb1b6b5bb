-- +goose Up

-- Since when the number is on file; 0 where that is long ago. One that has just been changed proves nothing yet (R-061).
ALTER TABLE customer ADD COLUMN phone_since BIGINT NOT NULL DEFAULT 0;

-- One check of the telephone number on file. object is what it is for, such as a re-issue. The code is sealed and bound to its row; number_mac tells which number it is about without saying it.
CREATE TABLE phone_check (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (id),
    object TEXT NOT NULL,
    way TEXT NOT NULL CONSTRAINT phone_check_way CHECK (way IN ('call_in', 'call_out', 'call_keys', 'sms', 'staff_callback')),
    state TEXT NOT NULL CONSTRAINT phone_check_state CHECK (state IN ('waiting', 'ringing', 'answered', 'proved', 'failed', 'expired')),
    reason TEXT NOT NULL,
    language TEXT NOT NULL,
    number_mac BYTEA NOT NULL,
    code_sealed BYTEA NOT NULL,
    call TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    CONSTRAINT phone_check_ended CHECK ((ended_at > 0) = (state IN ('proved', 'failed', 'expired')))
);
CREATE UNIQUE INDEX phone_check_one_live ON phone_check (object) WHERE state IN ('waiting', 'ringing', 'answered');
-- Whoever calls in is known by the number alone, so a number stands for one check at a time.
CREATE UNIQUE INDEX phone_check_one_number ON phone_check (number_mac) WHERE way = 'call_in' AND state = 'waiting';
CREATE INDEX phone_check_customer ON phone_check (customer, created_at);
CREATE INDEX phone_check_object ON phone_check (object, created_at);
CREATE INDEX phone_check_expiry ON phone_check (expires_at) WHERE state IN ('waiting', 'ringing', 'answered');

-- How often each customer has begun a check at all. Its row is what those who begin at the same moment wait for.
CREATE TABLE phone_turn (
    customer TEXT PRIMARY KEY REFERENCES customer (id),
    begun BIGINT NOT NULL
);

-- Calls and short messages have lanes of their own (deliver.go).
CREATE INDEX outbox_lanes ON outbox ((CAST(CASE WHEN topic IN ('wake', 'event', 'login_ended', 'call', 'sms') THEN topic ELSE '' END AS TEXT)), due_at, id) WHERE state = 'waiting';
DROP INDEX outbox_lane;
