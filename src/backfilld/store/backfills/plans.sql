-- name: lock_plan
-- The planner's fence, checked and held for the length of a page; the position that comes next.
-- $1 backfill   $2 fence
SELECT planned FROM backfill_progress WHERE backfill_number = $1 AND fence = $2 FOR NO KEY UPDATE;

-- name: list_planned
-- Which of these are in the plan already. Each id is looked up by itself: nobody has analyzed a plan that has just
-- grown, and for `entity_id = ANY ($2)` the whole plan may be compared with every id.
-- $1 backfill   $2 entity ids
SELECT wanted.entity_id
  FROM unnest($2::text[]) AS wanted (entity_id)
 CROSS JOIN LATERAL (
       SELECT FROM plan_items AS i WHERE i.backfill_number + 0 = $1 AND i.entity_id = wanted.entity_id
        UNION ALL
       SELECT FROM plan_drafts AS d WHERE d.backfill_number = $1 AND d.entity_id = wanted.entity_id
        LIMIT 1) AS planned;

-- name: grow_plan
-- $1 backfill   $2 items   $3 of them skipped in the plan
UPDATE backfill_progress
   SET planned = planned + $2, skipped = skipped + $3, skipped_in_plan = skipped_in_plan + $3
 WHERE backfill_number = $1;

-- name: move_cursor
-- $1 backfill   $2 cursor
UPDATE backfills SET source_cursor = $2 WHERE number = $1;

-- name: note_remarks
-- Those that are new, at most twenty in all.
-- $1 backfill   $2 sentences
UPDATE backfills AS b
   SET plan_remarks = (b.plan_remarks || ARRAY(SELECT n FROM unnest($2::text[]) AS n WHERE n <> ALL (b.plan_remarks)))[:20]
 WHERE number = $1;

-- name: order_drafts
-- A gathered plan gets its order: by time, those without one last, equal times by id.
-- $1 backfill   $2 newest first
INSERT INTO plan_items (backfill_number, position, entity_id, attributes)
SELECT backfill_number,
       row_number() OVER (
           ORDER BY CASE WHEN $2 THEN sort_at END DESC NULLS LAST, CASE WHEN NOT $2 THEN sort_at END ASC NULLS LAST,
                    entity_id
       ) - 1,
       entity_id, attributes
  FROM plan_drafts
 WHERE backfill_number = $1;

-- name: skip_drafts
-- $1 backfill   $2 now
INSERT INTO outcomes (backfill_number, position, status, finished_at, attempts, skip_reason)
SELECT i.backfill_number, i.position, 'skipped', $2, 0, d.skip_reason
  FROM plan_drafts AS d
 CROSS JOIN LATERAL (
       SELECT backfill_number, position
         FROM plan_items
        WHERE backfill_number + 0 = $1 AND entity_id = d.entity_id
       OFFSET 0) AS i
 WHERE d.backfill_number = $1 AND d.skip_reason IS NOT NULL;

-- name: count_drafts
-- $1 backfill
UPDATE backfill_progress AS p
   SET planned = d.planned, skipped = d.skipped, skipped_in_plan = d.skipped
  FROM (SELECT count(*) AS planned, count(skip_reason) AS skipped FROM plan_drafts WHERE backfill_number = $1) AS d
 WHERE p.backfill_number = $1;

-- name: forget_drafts
-- $1 backfill
DELETE FROM plan_drafts WHERE backfill_number = $1;

-- name: note_gaps
-- Where the plan leaves out so many items in a row that it is worth to jump over them. Nothing has started yet: whatever
-- has an outcome was left out.
-- $1 backfill   $2 how many in a row
INSERT INTO plan_gaps (backfill_number, first, past)
SELECT $1, min(position), max(position) + 1
  FROM (SELECT o.position, o.position - row_number() OVER (ORDER BY o.position) AS run
          FROM outcomes AS o
         WHERE o.backfill_number = $1) AS left_out
 GROUP BY run
HAVING count(*) >= $2;

-- name: draw_sample
-- Spread evenly over what is left to run: the k-th of n is taken where k * size / n passes a whole number.
-- $1 backfill   $2 size
INSERT INTO sample_items (backfill_number, position)
SELECT $1, position
  FROM (SELECT i.position, row_number() OVER (ORDER BY i.position) AS k, count(*) OVER () AS n
          FROM plan_items AS i
         WHERE i.backfill_number = $1
           AND (SELECT o.position FROM outcomes AS o WHERE o.backfill_number = $1 AND o.position = i.position) IS NULL
       ) AS left_to_run
 WHERE k * $2 / n > (k - 1) * $2 / n;

-- name: plan_totals
-- $1 backfill
SELECT planned, skipped_in_plan FROM backfill_progress WHERE backfill_number = $1;

-- name: freeze_plan
-- $1 backfill   $2 now   $3 whether a sample was drawn
UPDATE backfills SET planned_at = $2, source_cursor = NULL, sample_open = $3 WHERE number = $1;
