-- name: lock_position
-- $1 workflow
SELECT id, next_session_at, next_run_at, last_session_at, skipped_to, disabled_at IS NOT NULL AS is_disabled
  FROM schedules
 WHERE workflow_id = $1
   FOR UPDATE;

-- name: insert_schedule
-- $1 workflow   $2 next session   $3 next run   $4 at
INSERT INTO schedules (workflow_id, next_session_at, next_run_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $4)
RETURNING id;

-- name: put_position
-- Other than a move, this may take back where the schedule had got to: somebody asked for just that.
-- $1 id   $2 next session   $3 next run   $4 last session   $5 skipped to   $6 at
UPDATE schedules
   SET next_session_at = $2, next_run_at = $3, last_session_at = $4, skipped_to = $5, updated_at = $6
 WHERE id = $1;

-- name: delete_schedule
-- $1 workflow
DELETE FROM schedules WHERE workflow_id = $1;

-- name: set_disabled
-- $1 id   $2 disabled at, or null   $3 at
UPDATE schedules SET disabled_at = $2, updated_at = $3 WHERE id = $1;

-- name: tell_live
-- A word in place of a number: whoever fires schedules and runs their attempts shall look, and nobody else need.
SELECT pg_notify('backfilld', 'live');
