-- Statements of EntityStore and EntityUpload.
--
-- `/* filter */ true` is where a compiled filter goes: a condition on `e.attributes` whose parameters follow
-- those listed. Everything that changes entities holds the lock on the row of their type from before its first
-- look until its commit. So two uploads of the same ids cannot deadlock, and the count in that row stays true.

-- name: get_entity
-- $1 entity type   $2 id
SELECT e.id, e.attributes, e.updated_at, e.loaded_at
  FROM entities e
 WHERE e.entity_type = $1
   AND e.id = $2;

-- name: read_entities
-- $1 entity type   $2 ids
-- Each by its whole key: of a type that nobody has analyzed, `id = ANY ($2)` may compare every entity with every id.
SELECT e.id, e.attributes, e.updated_at, e.loaded_at
  FROM unnest($2::text[]) AS wanted (id)
 CROSS JOIN LATERAL (SELECT * FROM entities WHERE entity_type = $1 AND id = wanted.id OFFSET 0) AS e;

-- name: page_by_id
-- $1 entity type   $2 id that the page starts behind   $3 rows   $4 with attributes
SELECT e.id, CASE WHEN $4::boolean THEN e.attributes END AS attributes, e.updated_at, e.loaded_at
  FROM entities e
 WHERE e.entity_type = $1
   AND e.id > $2
   AND (/* filter */ true)
 ORDER BY e.id
 LIMIT $3;

-- name: page_newest_first
-- Entities without a time come last in both orders, so they are a list of their own (page_without_time).
-- $1 entity type   $2 id and   $3 time that the page starts behind   $4 rows   $5 with attributes
SELECT e.id, CASE WHEN $5::boolean THEN e.attributes END AS attributes, e.updated_at, e.loaded_at
  FROM entities e
 WHERE e.entity_type = $1
   AND e.updated_at IS NOT NULL
   AND (e.updated_at, e.id) < ($3, $2)
   AND (/* filter */ true)
 ORDER BY e.updated_at DESC, e.id DESC
 LIMIT $4;

-- name: page_oldest_first
-- $1 entity type   $2 id and   $3 time that the page starts behind   $4 rows   $5 with attributes
SELECT e.id, CASE WHEN $5::boolean THEN e.attributes END AS attributes, e.updated_at, e.loaded_at
  FROM entities e
 WHERE e.entity_type = $1
   AND e.updated_at IS NOT NULL
   AND (e.updated_at, e.id) > ($3, $2)
   AND (/* filter */ true)
 ORDER BY e.updated_at, e.id
 LIMIT $4;

-- name: page_without_time
-- $1 entity type   $2 id that the page starts behind   $3 rows   $4 with attributes
SELECT e.id, CASE WHEN $4::boolean THEN e.attributes END AS attributes, e.updated_at, e.loaded_at
  FROM entities e
 WHERE e.entity_type = $1
   AND e.updated_at IS NULL
   AND e.id > $2
   AND (/* filter */ true)
 ORDER BY e.id
 LIMIT $3;

-- name: count_entities
-- $1 entity type
SELECT count(*)
  FROM entities e
 WHERE e.entity_type = $1
   AND (/* filter */ true);

-- name: get_entity_type
-- $1 entity type
SELECT name, entities, fields, loaded_at
  FROM entity_types
 WHERE name = $1;

-- name: list_entity_types
SELECT name, entities, fields, loaded_at
  FROM entity_types
 ORDER BY name;

-- name: lock_entity_type
-- Also makes the row if this is the first that is heard of the type.
-- $1 entity type
INSERT INTO entity_types (name)
VALUES ($1)
ON CONFLICT (name) DO UPDATE
   SET name = excluded.name
RETURNING fields;

-- name: delete_entity
-- $1 entity type   $2 id
DELETE FROM entities
 WHERE entity_type = $1
   AND id = $2;

-- name: count_deleted
-- $1 entity type   $2 how many
UPDATE entity_types
   SET entities = entities - $2
 WHERE name = $1;

-- name: make_room_for_upload
-- What an upload needs beyond the session's settings: a big one waits longer for its turn, and hashes more.
SELECT set_config('lock_timeout', '10min', true),
       set_config('work_mem', '64MB', true);

-- name: create_upload
CREATE TEMPORARY TABLE entity_upload (
    line       bigint NOT NULL,
    id         text   NOT NULL COLLATE "C",
    attributes jsonb  NOT NULL,
    updated_at timestamptz
) ON COMMIT DROP;

-- name: analyze_upload
ANALYZE entity_upload (id);

-- name: drop_replaced
-- The last of equal ids stays. Of the others: how many there were, and the first of them by line.
-- $1 rows
WITH last AS (
       SELECT id, max(line) AS line
         FROM entity_upload
        GROUP BY id
       HAVING count(*) > 1
),
replaced AS (
       DELETE FROM entity_upload u
        USING last
        WHERE u.id = last.id
          AND u.line < last.line
       RETURNING u.id, u.line, last.line AS by_line
)
SELECT count(*) OVER () AS replaced, id, line, by_line
  FROM replaced
 ORDER BY line
 LIMIT $1;

-- name: update_changed
-- Not by ON CONFLICT DO UPDATE: that would lock, and so write to, every row that stays as it is.
-- $1 entity type   $2 now   $3 whether older ones count too
UPDATE entities e
   SET attributes = u.attributes, updated_at = u.updated_at, loaded_at = $2
  FROM entity_upload u
 WHERE e.entity_type = $1
   AND e.id = u.id
   AND ($3::boolean OR (u.updated_at < e.updated_at) IS NOT TRUE)
   AND (e.updated_at IS DISTINCT FROM u.updated_at OR e.attributes <> u.attributes);

-- name: insert_new
-- $1 entity type   $2 now
INSERT INTO entities (entity_type, id, attributes, updated_at, loaded_at)
SELECT $1, u.id, u.attributes, u.updated_at, $2
  FROM entity_upload u
 WHERE NOT EXISTS (
       SELECT FROM entities e
        WHERE e.entity_type = $1
          AND e.id = u.id);

-- name: count_older
-- After update_changed: those that it left alone because something later is stored.
-- $1 entity type
SELECT count(*)
  FROM entity_upload u
  JOIN entities e ON e.entity_type = $1 AND e.id = u.id
 WHERE u.updated_at < e.updated_at
   AND e.attributes <> u.attributes;

-- name: delete_others
-- $1 entity type
DELETE FROM entities e
 WHERE e.entity_type = $1
   AND NOT EXISTS (
       SELECT FROM entity_upload u
        WHERE u.id = e.id);

-- name: finish_upload
-- $1 entity type   $2 now   $3 rows more (or fewer) than before   $4 known fields
UPDATE entity_types
   SET loaded_at = $2, entities = entities + $3, fields = $4
 WHERE name = $1;
