-- name: list_indexes
-- Ours on attributes, those half made included; of one that is being made, how far it has got.
-- $1 what their names begin with
SELECT c.relname AS name, i.indisvalid AND i.indisready AS is_ready, p.pid IS NOT NULL AS is_being_made,
       (p.blocks_done::float8 / nullif(p.blocks_total, 0)) AS share
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
  LEFT JOIN pg_stat_progress_create_index AS p ON p.index_relid = i.indexrelid
 WHERE i.indrelid = 'entities'::regclass AND starts_with(c.relname::text, $1)
 ORDER BY c.relname;

-- name: write_create
-- $1 name   $2 key, as SQL   $3 entity type
SELECT format('CREATE INDEX CONCURRENTLY %I ON entities ((%s), id) WHERE entity_type = %L', $1::text, $2::text, $3::text);

-- name: write_drop
-- $1 name
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I', $1::text);

-- name: analyze
-- Of an index on an expression nothing is known before.
ANALYZE entities;
