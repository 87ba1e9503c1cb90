-- name: hold_parent
-- A backfill that is being deleted loses its rows bit by bit: whoever copies them holds it, or learns that it is gone.
-- $1 backfill
SELECT number FROM backfills WHERE number = $1 AND deleted_at IS NULL FOR SHARE;

-- part: copied
INSERT INTO backfill_ids (backfill_number, position, entity_id)
SELECT $1, o.number, i.entity_id
  FROM (SELECT position, row_number() OVER (ORDER BY position) - 1 AS number FROM ended OFFSET 0) AS o
 CROSS JOIN LATERAL (SELECT entity_id FROM plan_items WHERE backfill_number = $2 AND position = o.position OFFSET 0) AS i

-- name: copy_failed
-- The entities that failed in another backfill, in the order of its plan; each is looked up by itself (OFFSET 0 holds
-- the planner to it), whatever the statistics say. Those of a class or a group have statements, as they have indexes.
-- $1 backfill   $2 the other
WITH ended AS (
    SELECT position FROM outcomes WHERE backfill_number = $2 AND status = 'failed'
)
/* part: copied */;

-- name: copy_failed_of_class
-- $1 backfill   $2 the other   $3 error class
WITH ended AS (
    SELECT position FROM outcomes WHERE backfill_number + 0 = $2 AND error_class = $3
)
/* part: copied */;

-- name: copy_failed_of_group
-- $1 backfill   $2 the other   $3 fingerprint   $4 error class (null: any)
WITH ended AS (
    SELECT position
      FROM outcomes
     WHERE backfill_number + 0 = $2 AND fingerprint = $3 AND ($4::text IS NULL OR error_class = $4)
)
/* part: copied */;

-- name: copy_ended
-- Whatever ended so, each kind along its index; what was cancelled with the rest has no row.
-- $1 backfill   $2 the other   $3 statuses
WITH ended AS (
    SELECT position FROM outcomes WHERE backfill_number = $2 AND status = 'succeeded' AND 'succeeded' = ANY ($3::text[])
     UNION ALL
    SELECT position FROM outcomes WHERE backfill_number = $2 AND status = 'failed' AND 'failed' = ANY ($3)
     UNION ALL
    SELECT position
      FROM outcomes
     WHERE backfill_number + 0 = $2 AND status IN ('skipped', 'cancelled') AND status::text = ANY ($3)
     UNION ALL
    SELECT rest.position
      FROM backfill_progress AS p
     CROSS JOIN LATERAL (
           SELECT position
             FROM plan_items
            WHERE backfill_number = $2 AND position >= p.low_water_mark
            ORDER BY position
           OFFSET 0) AS rest
     WHERE p.backfill_number = $2 AND p.rest_cancelled_at IS NOT NULL AND 'cancelled' = ANY ($3)
       AND (SELECT o.position FROM outcomes AS o WHERE o.backfill_number = $2 AND o.position = rest.position) IS NULL
)
/* part: copied */;

-- name: list_ids
-- A page of the list. Positions have no gaps; with both ends named only the page is read, analyzed or not.
-- $1 backfill   $2 from position   $3 how many
SELECT entity_id
  FROM backfill_ids
 WHERE backfill_number = $1 AND position >= $2 AND position < $2::integer + $3::integer
 ORDER BY position;

-- name: list_lines
-- A page of the list as text, a line for each: a row for each takes more than twice the time.
-- $1 backfill   $2 from position   $3 how many
SELECT count(*) AS number, string_agg(entity_id || E'\n', '' ORDER BY position) AS lines
  FROM backfill_ids
 WHERE backfill_number = $1 AND position >= $2 AND position < $2::integer + $3::integer;

-- name: sum_up
-- $1 backfill   $2 how many   $3 digest
UPDATE backfills SET entity_ids_count = $2, entity_ids_digest = $3 WHERE number = $1;
