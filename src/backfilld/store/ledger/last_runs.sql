-- name: remember
-- What became of entities under their workflow, for the planners of later backfills. Only what really ran counts;
-- an outcome that is older than what is known changes nothing, nor does one that is known.
-- Planners, previews and the janitor do this at once for the same entities: in one order, so that none of them
-- waits for another that waits for it.
-- Gives the position up to which it has looked. Everything before it has an outcome or a retry: what waits is noted, in
-- the same moment, since nobody comes back to these positions.
-- $1 backfill   $2 from position   $3 to position (exclusive)   $4 how many outcomes   $5 note what waits
WITH page AS MATERIALIZED (
    SELECT position, status, finished_at
      FROM outcomes
     WHERE backfill_number = $1 AND position >= $2 AND position < $3 AND started_at IS NOT NULL AND status <> 'cancelled'
     ORDER BY position
     LIMIT $4
), looked AS MATERIALIZED (
    SELECT CASE WHEN count(*) < $4 THEN $3 ELSE max(position) + 1 END AS until FROM page
), noted AS (
    INSERT INTO last_runs_waiting (backfill_number, position)
    SELECT $1, r.position
      FROM looked
     CROSS JOIN LATERAL (
           SELECT position
             FROM retries
            WHERE backfill_number = $1 AND position >= $2 AND position < looked.until
            ORDER BY position
           OFFSET 0) AS r
     WHERE $5::boolean
    ON CONFLICT DO NOTHING
), known AS (
    INSERT INTO last_runs (workflow_id, entity_type, entity_id, status, finished_at)
    SELECT b.workflow_id, b.entity_type, i.entity_id, o.status, o.finished_at
      FROM backfills AS b
     CROSS JOIN page AS o
     CROSS JOIN LATERAL (
           SELECT entity_id FROM plan_items WHERE backfill_number = $1 AND position = o.position OFFSET 0) AS i
     WHERE b.number = $1
     ORDER BY i.entity_id
    ON CONFLICT (workflow_id, entity_type, entity_id) DO UPDATE
       SET status = excluded.status, finished_at = excluded.finished_at
     WHERE last_runs.finished_at < excluded.finished_at
        OR (last_runs.finished_at = excluded.finished_at AND last_runs.status <> excluded.status)
)
SELECT until FROM looked;

-- name: remember_waiting
-- What waited when the mark passed it, and has its outcome now.
-- $1 backfill
WITH over AS MATERIALIZED (
    SELECT w.position
      FROM last_runs_waiting AS w
     WHERE w.backfill_number = $1
       AND (SELECT o.position FROM outcomes AS o WHERE o.backfill_number = $1 AND o.position = w.position) IS NOT NULL
     ORDER BY w.position
       FOR UPDATE
), gone AS (
    DELETE FROM last_runs_waiting
     WHERE backfill_number = $1 AND position = ANY (ARRAY(SELECT position FROM over))
)
INSERT INTO last_runs (workflow_id, entity_type, entity_id, status, finished_at)
SELECT b.workflow_id, b.entity_type, i.entity_id, o.status, o.finished_at
  FROM backfills AS b
 CROSS JOIN over
 CROSS JOIN LATERAL (
       SELECT status, started_at, finished_at
         FROM outcomes
        WHERE backfill_number = $1 AND position = over.position
       OFFSET 0) AS o
 CROSS JOIN LATERAL (
       SELECT entity_id FROM plan_items WHERE backfill_number = $1 AND position = over.position OFFSET 0) AS i
 WHERE b.number = $1 AND o.started_at IS NOT NULL AND o.status <> 'cancelled'
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
-- $1 backfill   $2 mark
UPDATE backfill_progress SET remembered_mark = GREATEST(remembered_mark, $2) WHERE backfill_number = $1;

-- name: note_remembered
-- $1 backfill   $2 outcomes that there were before the look   $3 whether that was all of an ended backfill
UPDATE backfill_progress
   SET remembered_count = GREATEST(remembered_count, $2), remembered = remembered OR $3
 WHERE backfill_number = $1;

-- name: list_unremembered
-- Those that have outcomes which nobody has looked at; and those that have ended, to be done with them. In a rehearsal
-- nothing happened that anybody could build on; that is read in the settings, which costs most, of what is left (the
-- CASE holds the planner to it).
-- $1 workflow (null: any)   $2 only what has ended
SELECT b.number, p.remembered_mark, p.low_water_mark, p.planned, e.ended,
       p.succeeded + p.failed + p.skipped - p.skipped_in_plan AS outcomes
  FROM backfills AS b
  JOIN backfill_progress AS p ON p.backfill_number = b.number
 CROSS JOIN LATERAL (
       SELECT b.status IN ('cancelled', 'completed', 'completed_with_failures', 'failed') AS ended) AS e
 WHERE b.kind = 'entities' AND NOT p.remembered AND p.planned > 0 AND ($1::bigint IS NULL OR b.workflow_id = $1)
   AND CASE WHEN e.ended OR (NOT $2 AND p.succeeded + p.failed + p.skipped - p.skipped_in_plan <> p.remembered_count)
            THEN b.settings ->> 'rehearsal' IS DISTINCT FROM 'true' ELSE false END
 ORDER BY b.number;

-- name: forget_idempotency_keys
-- $1 older than
DELETE FROM idempotency_keys WHERE created_at < $1;
