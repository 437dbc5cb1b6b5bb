-- +goose Up

-- A check for which staff call. caller is the member who had the number on file shown last, which is the only one who may say what came of the call; missed counts the calls that nobody answered.
ALTER TABLE phone_check ADD COLUMN caller TEXT NOT NULL DEFAULT '';
ALTER TABLE phone_check ADD COLUMN shown_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE phone_check ADD COLUMN missed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE phone_check ADD COLUMN missed_at BIGINT NOT NULL DEFAULT 0;
-- Staff call a customer for one check at a time: the latest that she has asked for.
CREATE UNIQUE INDEX phone_check_one_callback ON phone_check (customer) WHERE way = 'staff_callback' AND state = 'waiting';
CREATE INDEX phone_check_callbacks ON phone_check (id) WHERE way = 'staff_callback' AND state = 'waiting';
