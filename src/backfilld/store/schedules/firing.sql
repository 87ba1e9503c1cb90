-- name: lock_due
-- The schedule that waits longest. One that somebody else holds is being fired or moved, and is passed over; so is one
-- whose workflow is being written, who comes to the schedule next, while we would come to the workflow with the session.
-- $1 now   $2 schedules to pass over   $3 as long as they are due since then (one of each)
SELECT s.id, s.next_run_at
  FROM schedules AS s
  JOIN workflows AS w ON w.id = s.workflow_id
 WHERE s.disabled_at IS NULL AND s.next_run_at <= $1 AND s.next_session_at < '9999-01-01Z'
   AND w.enabled AND w.deleted_at IS NULL AND w.managed_by <> 'mirror' -- which fires elsewhere
   AND (s.id, s.next_run_at) NOT IN (SELECT * FROM unnest($2::bigint[], $3::timestamptz[]))
 ORDER BY s.next_run_at, s.id
 LIMIT 1
   FOR UPDATE OF s SKIP LOCKED
   FOR KEY SHARE OF w SKIP LOCKED;

-- name: list_standing
-- $1 id of the last one seen   $2 how many
SELECT s.id, w.project_id, p.name AS project_name, s.workflow_id, w.name AS workflow_name,
       w.enabled AS workflow_enabled, w.revision_id, r.definition, s.next_session_at, s.next_run_at,
       s.last_session_at, s.skipped_to, s.disabled_at, s.created_at, s.updated_at
  FROM schedules AS s
  JOIN workflows AS w ON w.id = s.workflow_id
  JOIN projects AS p ON p.id = w.project_id
  JOIN revisions AS r ON r.id = w.revision_id
 WHERE s.id > $1 AND s.next_session_at < '9999-01-01Z' AND w.managed_by <> 'mirror'
 ORDER BY s.id
 LIMIT $2;

-- name: next_due
-- When to look next.
-- $1 schedules to pass over   $2 as long as they are due since then (one of each)
SELECT min(s.next_run_at)
  FROM schedules AS s
  JOIN workflows AS w ON w.id = s.workflow_id
 WHERE s.disabled_at IS NULL AND s.next_session_at < '9999-01-01Z' AND w.enabled AND w.deleted_at IS NULL
   AND w.managed_by <> 'mirror'
   AND (s.id, s.next_run_at) NOT IN (SELECT * FROM unnest($1::bigint[], $2::timestamptz[]));

-- name: is_running
-- Attempts of backfills do not count: making up for the past shall not hold up the present. Nor do those that are
-- being killed.
-- $1 workflow
SELECT EXISTS (SELECT FROM attempts
                WHERE finished_at IS NULL AND backfill_number IS NULL AND workflow_id = $1 AND cancel_requested_at IS NULL);

-- name: lock_crowd
-- Whoever adds an attempt outside of backfills counts first, and nobody else may add one in between. The number is
-- this lock's name.
SELECT pg_advisory_xact_lock(7463829105);

-- name: count_crowd
-- $1 at most so many are counted
SELECT count(*) FROM (SELECT FROM attempts WHERE finished_at IS NULL AND backfill_number IS NULL LIMIT $1) AS unfinished;
