-- name: remember
-- What became of entities under their workflow, for the planners of later backfills. Only what really ran counts;
-- an outcome that is older than what is known changes nothing, nor does one that is known.
-- Planners, previews and the janitor do this at once for the same entities: in one order, so that none of them
-- waits for another that waits for it.
-- $1 backfill   $2 from position   $3 to position (exclusive)
INSERT INTO last_runs (workflow_id, entity_type, entity_id, status, finished_at)
SELECT b.workflow_id, b.entity_type, i.entity_id, o.status, o.finished_at
  FROM backfills AS b
  JOIN outcomes AS o ON o.backfill_no = b.no AND o.position >= $2 AND o.position < $3
  JOIN plan_items AS i ON i.backfill_no = o.backfill_no AND i.position = o.position
 WHERE b.no = $1 AND b.kind = 'entities' AND o.started_at IS NOT NULL AND o.status <> 'cancelled'
 ORDER BY i.entity_id
ON CONFLICT (workflow_id, entity_type, entity_id) DO UPDATE
   SET status = excluded.status, finished_at = excluded.finished_at
 WHERE last_runs.finished_at < excluded.finished_at
    OR (last_runs.finished_at = excluded.finished_at AND last_runs.status <> excluded.status);

-- name: last_outcomes
-- How these entities ended last under a workflow, in any backfill.
-- $1 workflow   $2 entity type   $3 entity ids
SELECT entity_id, status::text AS status
  FROM last_runs
 WHERE workflow_id = $1 AND entity_type = $2 AND entity_id = ANY ($3::text[]);

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
