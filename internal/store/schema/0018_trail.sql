-- +goose Up

-- The trail is searched by customer (audit_customer), by member of staff, by act, and by time alone (its identifiers sort by time). The two indexes below leave out what is written by the thousand: a code
-- that is verified, a transaction, a log-in cost nothing more than before, and are found by time, because they are everywhere. Whoever searches has to say the same words, or the index is not used.
CREATE INDEX IF NOT EXISTS audit_staff ON audit_entry (actor, id) WHERE actor_kind = 'staff';
CREATE INDEX IF NOT EXISTS audit_action ON audit_entry (action, id) WHERE action <> 'otp.verify' AND action <> 'transaction.create' AND action <> 'transaction.decide' AND action <> 'transaction.consume'
    AND action <> 'login.password' AND action <> 'login.otp' AND action <> 'login.passkey' AND action <> 'login.end' AND action <> 'access.grant' AND action <> 'access.redeem';

-- Something that somebody of the bank should look at. place is the order of the queue: how urgent it is, then its identifier. times says how often the same has happened while it was open.
CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CONSTRAINT incident_kind CHECK (kind IN ('reported', 'altered', 'duplicate', 'passkey', 'objection', 'request', 'breaker')),
    object TEXT NOT NULL,
    customer TEXT NOT NULL,
    place TEXT NOT NULL,
    state TEXT NOT NULL CONSTRAINT incident_state CHECK (state IN ('open', 'taken', 'closed')),
    outcome TEXT NOT NULL CONSTRAINT incident_outcome CHECK (outcome IN ('', 'protected', 'false_alarm', 'fraud')),
    taker TEXT NOT NULL,
    detail TEXT NOT NULL,
    times BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    taken_at BIGINT NOT NULL,
    closed_at BIGINT NOT NULL,
    CONSTRAINT incident_closed CHECK ((closed_at > 0) = (state = 'closed') AND (outcome <> '') = (state = 'closed')),
    CONSTRAINT incident_taken CHECK ((taker <> '') = (state <> 'open'))
);
CREATE UNIQUE INDEX incident_one_open ON incident (kind, object) WHERE state <> 'closed';
CREATE INDEX incident_queue ON incident (place) WHERE state <> 'closed';
CREATE INDEX incident_past ON incident (id) WHERE state = 'closed';
CREATE INDEX incident_customer ON incident (customer, id);

-- What staff has written down about an incident. Nothing of it is ever changed.
CREATE TABLE incident_note (
    id TEXT PRIMARY KEY,
    incident TEXT NOT NULL REFERENCES incident (id),
    staff TEXT NOT NULL REFERENCES staff (id),
    at BIGINT NOT NULL,
    words TEXT NOT NULL
);
CREATE INDEX incident_note_incident ON incident_note (incident, id);

-- Who logged in from one network in these hours, for the incidents of that network.
CREATE INDEX IF NOT EXISTS session_source ON session (source, created_at, customer);

-- Numbers of a day, in Japan's time, counted from the trail; figure_mark says up to where. They are written together, so that no entry counts twice or not at all.
CREATE TABLE daily_figure (
    name TEXT NOT NULL,
    day TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (name, day)
);
CREATE TABLE figure_mark (
    id BIGINT PRIMARY KEY CONSTRAINT figure_mark_one CHECK (id = 1),
    upto TEXT NOT NULL
);
INSERT INTO figure_mark (id, upto) VALUES (1, '');

-- A part of the trail that two persons have agreed to hand out as a file: to whom, what exactly, and until when.
CREATE TABLE trail_export (
    id TEXT PRIMARY KEY,
    staff_order TEXT NOT NULL,
    staff TEXT NOT NULL REFERENCES staff (id),
    checker TEXT NOT NULL,
    filter TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);
CREATE INDEX trail_export_staff ON trail_export (staff, id);
