-- name: find_answer
-- $1 caller   $2 route   $3 key   $4 not older than
SELECT body_hash, status, answer
  FROM idempotency_keys
 WHERE caller = $1 AND route = $2 AND key = $3 AND created_at > $4;

-- name: try_lock_key
-- Held until the transaction ends. A hash that two keys share costs one of them a "try again", nothing else.
-- $1 the key in its scope, as one text
SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0));

-- name: remember_answer
-- An answer that is too old to count may still lie here; it makes room.
-- $1 caller   $2 route   $3 key   $4 hash of the body   $5 status   $6 answer   $7 now
INSERT INTO idempotency_keys (caller, route, key, body_hash, status, answer, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (caller, route, key) DO UPDATE
   SET body_hash = excluded.body_hash, status = excluded.status, answer = excluded.answer,
       created_at = excluded.created_at;
