-- +goose Up

-- A lane of the outbox is worked off without a look at the others, however long they are.
CREATE INDEX outbox_lane ON outbox ((CAST(CASE WHEN topic IN ('wake', 'event', 'login_ended') THEN topic ELSE '' END AS TEXT)), due_at, id) WHERE state = 'waiting';
DROP INDEX outbox_due;
