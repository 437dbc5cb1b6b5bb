// Package store is the memory of the server: one set of SQL that runs unchanged on SQLite and on PostgreSQL.
//
// The SQL stands in query/*.sql, is typed by sqlc into package db, and is reached through Tx (inside a write) and Reader (outside of one).
// The rules of our SQL:
//
//  1. Times are microseconds UTC in BIGINT, zero for "not yet"; money and identifiers are TEXT.
//  2. The database computes nothing that Go can compute: no now(), no sequences, no triggers.
//  3. Lists of states are named CHECK constraints; "one live token per customer" is a partial unique index.
//  4. No FOR UPDATE, except where one-time passwords are judged (Many.LockTokens). What is read and written back carries a version. What may happen once is one conditional statement whose row count is
//     the answer.
//  5. A lost race runs the function of the write again from the reading, a few times; then it is ErrConflict.
//  6. Migrations in schema/ go forward only, each in a transaction; the binary of the version before must run on the new schema.
//  7. Parameters in arithmetic are cast to BIGINT, because PostgreSQL cannot guess their type.
//
// A write that changes anything without an audit entry is not committed (ErrUnaudited). Counters, leases and the like have a narrow door of their
// own, Housekeep, which reaches only the tables in its list.
package store
