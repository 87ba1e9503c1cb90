-- name: remember
-- What became of entities under their workflow, for the planners of later backfills. Only what really ran counts;
-- an outcome that is older than what is known changes nothing, nor does one that is known.
-- Planners, previews and the janitor do this at once for the same entities: in one order, so that none of them
-- waits for another that waits for it.
-- $1 backfill   $2 from position   $3 to position (exclusive)
INSERT INTO last_runs (workflow_id, entity_type, entity_id, status, finished_at)
SELECT b.workflow_id, b.entity_type, i.entity_id, o.status, o.finished_at
  FROM backfills AS b
 CROSS JOIN LATERAL (
       SELECT position, status, finished_at
         FROM outcomes
        WHERE backfill_no = $1 AND position >= $2 AND position < $3
          AND started_at IS NOT NULL AND status <> 'cancelled'
        ORDER BY position
       OFFSET 0) AS o
 CROSS JOIN LATERAL (
       SELECT entity_id FROM plan_items WHERE backfill_no = $1 AND position = o.position OFFSET 0) AS i
 WHERE b.no = $1 AND b.kind = 'entities'
 ORDER BY i.entity_id
ON CONFLICT (workflow_id, entity_type, entity_id) DO UPDATE
   SET status = excluded.status, finished_at = excluded.finished_at
 WHERE last_runs.finished_at < excluded.finished_at
    OR (last_runs.finished_at = excluded.finished_at AND last_runs.status <> excluded.status);

-- name: last_outcomes
-- How these entities ended last under a workflow, in any backfill.
-- $1 workflow   $2 entity type   $3 entity ids
SELECT wanted.entity_id, last.status
  FROM unnest($3::text[]) AS wanted (entity_id)
 CROSS JOIN LATERAL (
       SELECT l.status::text AS status
         FROM last_runs AS l
        WHERE l.workflow_id = $1 AND l.entity_type = $2 AND l.entity_id = wanted.entity_id
       OFFSET 0) AS last;

-- name: move_remembered_mark
-- $1 backfill   $2 mark   $3 whether that was all of an ended backfill
UPDATE backfill_progress SET remembered_mark = GREATEST(remembered_mark, $2), remembered = $3 WHERE backfill_no = $1;

-- name: list_unremembered
-- $1 workflow (null: any)   $2 only what has ended
SELECT b.no, p.remembered_mark, p.planned,
       b.status IN ('cancelled', 'completed', 'completed_with_failures', 'failed') AS ended
  FROM backfills AS b
  JOIN backfill_progress AS p ON p.backfill_no = b.no
 WHERE b.kind = 'entities' AND NOT p.remembered AND p.planned > 0
   AND ($1::bigint IS NULL OR b.workflow_id = $1)
   AND (NOT $2 OR b.status IN ('cancelled', 'completed', 'completed_with_failures', 'failed'))
 ORDER BY b.no;

-- name: forget_idempotency_keys
-- $1 older than
DELETE FROM idempotency_keys WHERE created_at < $1;
