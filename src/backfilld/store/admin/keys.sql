-- name: insert_key
-- $1 id   $2 name   $3 role   $4 prefix   $5 hash   $6 by   $7 at   $8 expires
INSERT INTO api_keys (id, name, role, prefix, hash, created_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: find_key_by_hash
-- Revoked and expired ones too: whoever asks decides by its own clock.
-- $1 hash
SELECT id, name, role, prefix, created_by, created_at, expires_at, revoked_at, last_used_at
  FROM api_keys
 WHERE hash = $1;

-- name: find_maker
-- $1 id
SELECT created_by FROM api_keys WHERE id = $1;

-- name: list_keys
-- $1, $2 created_at and id of the last one seen, or nulls   $3 how many
SELECT id, name, role, prefix, created_by, created_at, expires_at, revoked_at, last_used_at
  FROM api_keys
 WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid)
 ORDER BY created_at DESC, id DESC
 LIMIT $3;

-- name: revoke_key
-- Locked first, so that of two who revoke at once only one is told that it was him.
-- $1 id   $2 at
WITH wanted AS (
    SELECT id, revoked_at FROM api_keys WHERE id = $1 FOR UPDATE
)
UPDATE api_keys AS k
   SET revoked_at = coalesce(k.revoked_at, $2)
  FROM wanted
 WHERE k.id = wanted.id
RETURNING k.id, k.name, k.role, k.prefix, k.created_by, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
          wanted.revoked_at IS NULL AS revoked_now;

-- name: touch_key
-- $1 id   $2 at
UPDATE api_keys
   SET last_used_at = $2
 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2);
