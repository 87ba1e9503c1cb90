-- name: list_groups
-- How often each kind of failure occurred, the most frequent first. Reads failures alone.
-- $1 backfill   $2 how many
SELECT fingerprint, count(*) AS failures, min(finished_at) AS first_at, max(finished_at) AS last_at
  FROM outcomes
 WHERE backfill_number = $1 AND status = 'failed' AND fingerprint IS NOT NULL
 GROUP BY fingerprint
 ORDER BY failures DESC, first_at, fingerprint
 LIMIT $2;

-- name: find_group
-- The same of one, whatever else failed.
-- $1 backfill   $2 fingerprint
SELECT fingerprint, count(*) AS failures, min(finished_at) AS first_at, max(finished_at) AS last_at
  FROM outcomes
 WHERE backfill_number + 0 = $1 AND fingerprint = $2
 GROUP BY fingerprint;

-- name: find_bounds
-- $1 backfill
SELECT min(finished_at) AS first_at, max(finished_at) AS last_at
  FROM outcomes
 WHERE backfill_number = $1 AND status = 'failed';

-- name: list_examples
-- The first failures of each of some groups.
-- $1 backfill   $2 fingerprints   $3 how many of each
SELECT wanted.fingerprint, o.position, i.entity_id, o.error_class, o.error
  FROM unnest($2::bytea[]) AS wanted (fingerprint)
 CROSS JOIN LATERAL (
       SELECT position, error_class, error
         FROM outcomes
        WHERE backfill_number + 0 = $1 AND fingerprint = wanted.fingerprint
        ORDER BY position
        LIMIT $3) AS o
 CROSS JOIN LATERAL (SELECT entity_id FROM plan_items WHERE backfill_number = $1 AND position = o.position OFFSET 0) AS i
 ORDER BY o.position;

-- name: list_ungrouped
-- Failures that were recorded before there were groups.
-- $1 backfill (null: of any)   $2 how many
SELECT backfill_number, position, error_class, error
  FROM outcomes
 WHERE status = 'failed' AND fingerprint IS NULL AND ($1::bigint IS NULL OR backfill_number = $1)
 LIMIT $2;

-- name: group_them
-- $1 backfills   $2 positions   $3 fingerprints
UPDATE outcomes AS o
   SET fingerprint = given.fingerprint
  FROM unnest($1::bigint[], $2::integer[], $3::bytea[]) AS given (backfill_number, position, fingerprint)
 WHERE o.backfill_number = given.backfill_number AND o.position = given.position;
