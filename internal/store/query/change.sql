-- name: InsertCooling :exec
INSERT INTO cooling (id, customer, change, object, approved, since, until) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: CoolingOf :many
SELECT * FROM cooling WHERE customer = $1 AND until > $2 ORDER BY since, id;

-- name: DeleteOldCooling :exec
DELETE FROM cooling WHERE until < $1;

-- name: EndCooling :execrows
UPDATE cooling SET until = $3 WHERE customer = $1 AND object = $2 AND until > CAST($3 AS BIGINT);
