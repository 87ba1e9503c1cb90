-- name: insert_session
-- $1 id   $2 hash   $3 identity   $4 name   $5 role   $6 kind   $7 key   $8 at   $9 expires   $10 user agent
INSERT INTO web_sessions
       (id, token_hash, identity, name, role, kind, key_id, created_at, last_seen_at, expires_at, user_agent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10);

-- name: find_session
-- A session of a key that is gone, revoked or of another role now is none: the key decides, at the moment of asking.
-- $1 hash   $2 now   $3 last seen after
SELECT s.id, s.identity, s.name, s.role, s.kind, s.created_at, s.last_seen_at, s.expires_at, s.user_agent
  FROM web_sessions AS s
  LEFT JOIN api_keys AS k ON k.id = s.key_id
 WHERE s.token_hash = $1
   AND s.expires_at > $2
   AND s.last_seen_at > $3
   AND (s.key_id IS NULL
        OR (k.revoked_at IS NULL AND k.role = s.role AND (k.expires_at IS NULL OR k.expires_at > $2)));

-- name: touch_session
-- $1 id   $2 now
UPDATE web_sessions
   SET last_seen_at = $2
 WHERE id = $1 AND last_seen_at < $2;

-- name: list_sessions
-- $1 identity   $2 now   $3 last seen after   $4 how many
SELECT s.id, s.identity, s.name, s.role, s.kind, s.created_at, s.last_seen_at, s.expires_at, s.user_agent
  FROM web_sessions AS s
 WHERE s.identity = $1 AND s.expires_at > $2 AND s.last_seen_at > $3
 ORDER BY s.created_at DESC
 LIMIT $4;

-- name: end_session
-- $1 id   $2 identity
DELETE FROM web_sessions WHERE id = $1 AND identity = $2 RETURNING id;

-- name: end_old_sessions
-- A few each time somebody signs in: more are never left over than people have signed in.
-- $1 now   $2 last seen after
DELETE FROM web_sessions
 WHERE id IN (SELECT id FROM web_sessions WHERE expires_at <= $1 OR last_seen_at <= $2 ORDER BY expires_at LIMIT 100);

-- name: insert_link
-- Those that are over go at the same time.
-- $1 hash   $2 key   $3 now   $4 expires
WITH over AS (
    DELETE FROM sign_in_links WHERE expires_at <= $3
)
INSERT INTO sign_in_links (token_hash, key_id, expires_at) VALUES ($1, $2, $4);

-- name: take_link
-- Deleted by whoever uses it, so that of two who try at once one gets in.
-- $1 hash   $2 now
WITH taken AS (
    DELETE FROM sign_in_links WHERE token_hash = $1 RETURNING key_id, expires_at
)
SELECT k.id, k.name, k.role
  FROM taken AS t
  JOIN api_keys AS k ON k.id = t.key_id
 WHERE t.expires_at > $2 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2);
