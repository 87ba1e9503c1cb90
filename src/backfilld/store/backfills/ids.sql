-- name: hold_parent
-- A backfill that is being deleted loses its rows bit by bit: whoever copies them holds it, or learns that it is gone.
-- $1 backfill
SELECT number FROM backfills WHERE number = $1 AND deleted_at IS NULL FOR SHARE;

-- name: copy_failed
-- The entities that failed in another backfill, in the order of its plan; each is looked up by itself (OFFSET 0 holds
-- the planner to it), whatever the statistics say.
-- $1 backfill   $2 the other   $3 error class   $4 fingerprint (both null: any)
INSERT INTO backfill_ids (backfill_number, position, entity_id)
SELECT $1, o.number, i.entity_id
  FROM (SELECT position, row_number() OVER (ORDER BY position) - 1 AS number
          FROM outcomes
         WHERE backfill_number = $2 AND status = 'failed' AND ($3::text IS NULL OR error_class = $3)
           AND ($4::bytea IS NULL OR fingerprint = $4)
        OFFSET 0) AS o
 CROSS JOIN LATERAL (SELECT entity_id FROM plan_items WHERE backfill_number = $2 AND position = o.position OFFSET 0) AS i;

-- name: copy_ended
-- The same of whatever ended so: the whole ledger is read, as the index knows failures alone.
-- $1 backfill   $2 the other   $3 error class (null: any)   $4 statuses
INSERT INTO backfill_ids (backfill_number, position, entity_id)
SELECT $1, o.number, i.entity_id
  FROM (SELECT position, row_number() OVER (ORDER BY position) - 1 AS number
          FROM outcomes
         WHERE backfill_number = $2 AND status = ANY ($4::text[]::outcome_status[])
           AND ($3::text IS NULL OR error_class = $3)
        OFFSET 0) AS o
 CROSS JOIN LATERAL (SELECT entity_id FROM plan_items WHERE backfill_number = $2 AND position = o.position OFFSET 0) AS i;

-- name: list_ids
-- A page of the list. Positions have no gaps; with both ends named only the page is read, analyzed or not.
-- $1 backfill   $2 from position   $3 how many
SELECT entity_id
  FROM backfill_ids
 WHERE backfill_number = $1 AND position >= $2 AND position < $2::integer + $3::integer
 ORDER BY position;

-- name: sum_up
-- $1 backfill   $2 how many   $3 digest
UPDATE backfills SET entity_ids_count = $2, entity_ids_digest = $3 WHERE number = $1;
