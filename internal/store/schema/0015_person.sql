-- +goose Up

-- person is who a member is to the bank's personnel office: the second person of anything is another human being and not another login of the first. branch is where she works; empty at head office.
ALTER TABLE staff ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE staff ADD COLUMN branch TEXT NOT NULL DEFAULT '';
UPDATE staff SET person = id WHERE person = '';
