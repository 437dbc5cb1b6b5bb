-- name: InsertCustomer :exec
INSERT INTO customer (id, ref, login_id, name, kana, branch, account_type, account_number, phone, login_password, login_initial,
    confirm_password, confirm_initial, state, reapply_at, created_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, 1);

-- name: CustomerByID :one
SELECT * FROM customer WHERE id = $1;

-- name: CustomerByLoginID :one
SELECT * FROM customer WHERE login_id = $1;

-- name: CustomerByRef :one
SELECT * FROM customer WHERE ref = $1;

-- name: CustomerKey :one
SELECT id, ref, state FROM customer WHERE ref = $1;

-- name: SetLoginPassword :execrows
UPDATE customer SET login_password = $2, login_initial = FALSE, version = version + 1 WHERE id = $1 AND version = $3;

-- name: SetConfirmPassword :execrows
UPDATE customer SET confirm_password = $2, confirm_initial = FALSE, version = version + 1 WHERE id = $1 AND version = $3;

-- name: RehashLoginPassword :execrows
UPDATE customer SET login_password = $2 WHERE id = $1 AND login_password = $3;

-- name: RehashConfirmPassword :execrows
UPDATE customer SET confirm_password = $2 WHERE id = $1 AND confirm_password = $3;

-- name: SetReapply :exec
UPDATE customer SET reapply_at = $2, version = version + 1 WHERE id = $1;

-- name: InsertAddress :exec
INSERT INTO address (id, customer, mail, state, since) VALUES ($1, $2, $3, $4, $5);

-- name: AddressesOf :many
SELECT * FROM address WHERE customer = $1 AND state <> 'retired' ORDER BY since, id;

-- name: AddressByID :one
SELECT * FROM address WHERE id = $1;

-- name: SetAddressState :execrows
UPDATE address SET state = $2 WHERE id = $1 AND state <> $2;
