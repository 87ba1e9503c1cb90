-- What targets are told of entities, all of it in one row: a row each is most of what reading costs the client. Attributes
-- are lines of a text, since a line break in them is written as an escape. Mostly all were loaded at once.

-- part: in_one_row
SELECT array_agg(e.id) AS ids, string_agg(e.attributes::text, E'\n') AS attributes, min(e.loaded_at) AS loaded_at,
       CASE WHEN min(e.loaded_at) < max(e.loaded_at) THEN array_agg(e.loaded_at) END AS each_loaded_at

-- name: read_by_key
-- Each by its whole key, as `read_entities` does. $1 entity type   $2 ids, as JSON, which costs the client less than a list
/* part: in_one_row */
  FROM json_array_elements_text($2::text::json) AS wanted (id)
 CROSS JOIN LATERAL (SELECT * FROM entities WHERE entity_type = $1 AND id = wanted.id OFFSET 0) AS e;

-- name: read_range
-- The first of those that lie between two ids, with them. $1 entity type   $2 first id   $3 last id   $4 how many
/* part: in_one_row */
  FROM (SELECT id, attributes, loaded_at
          FROM entities
         WHERE entity_type = $1 AND id >= $2 AND id <= $3
         ORDER BY id
         LIMIT $4) AS e;
