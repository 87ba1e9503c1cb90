-- name: find_schedule
-- $1 id
SELECT s.id, w.project_id, p.name AS project_name, s.workflow_id, w.name AS workflow_name,
       w.enabled AS workflow_enabled, w.managed_by, w.revision_id, r.definition, s.next_session_at, s.next_run_at,
       s.last_session_at, s.skipped_to, s.disabled_at, s.created_at, s.updated_at
  FROM schedules AS s
  JOIN workflows AS w ON w.id = s.workflow_id
  JOIN projects AS p ON p.id = w.project_id
  JOIN revisions AS r ON r.id = w.revision_id
 WHERE s.id = $1;

-- name: lock_workflow_of_schedule
-- First the workflow, then its schedule: the order in which those go who write the workflow. A session that is made
-- refers to the workflow, and would come to it last.
-- $1 id
SELECT w.id FROM schedules AS s JOIN workflows AS w ON w.id = s.workflow_id WHERE s.id = $1 FOR KEY SHARE OF w;

-- name: lock_schedule
-- Whoever moves a schedule, or makes sessions up to where it stands, holds this; so a tick and a backfill never
-- interleave.
-- $1 id
SELECT id FROM schedules WHERE id = $1 FOR UPDATE;

-- name: move_schedule
-- $1 id   $2 next session   $3 next run   $4 last session (null keeps it)   $5 skipped to (null keeps it)   $6 at
UPDATE schedules
   SET next_session_at = $2, next_run_at = $3, last_session_at = coalesce($4, last_session_at),
       skipped_to = greatest(skipped_to, $5), updated_at = $6
 WHERE id = $1;
