-- name: DeskWaiting :one
-- What waits at the console; each is counted up to a hundred and no further, so that a long queue costs no more than a short one.
SELECT (SELECT count(*) FROM (SELECT 1 FROM release_request WHERE state = 'made' LIMIT 100) AS a) AS made,
  (SELECT count(*) FROM (SELECT 1 FROM release_request WHERE state = 'received' LIMIT 100) AS b) AS received,
  (SELECT count(*) FROM (SELECT 1 FROM release_request WHERE state = 'submitted' LIMIT 100) AS c) AS submitted,
  (SELECT count(*) FROM (SELECT 1 FROM staff_order o WHERE o.state = 'asked' AND o.expires_at > CAST(sqlc.arg(now) AS BIGINT) AND o.maker_person <> CAST(sqlc.arg(person) AS TEXT) LIMIT 100) AS d) AS orders,
  (SELECT count(*) FROM (SELECT 1 FROM incident WHERE state <> 'closed' LIMIT 100) AS e) AS incidents,
  (SELECT count(*) FROM (SELECT 1 FROM phone_check p WHERE p.way = 'staff_callback' AND p.state = 'waiting' AND p.expires_at > CAST(sqlc.arg(now) AS BIGINT)
    AND p.created_at > (SELECT x.not_before FROM fence x WHERE x.id = 1) LIMIT 100) AS f) AS callbacks;
