-- name: hold_workflow
-- So that nobody deletes the workflow in between. A statement of its own: whoever has waited for an edit would look for
-- the new revision among those of before.
-- $1 id of the workflow, or of one of its revisions
SELECT id FROM workflows WHERE id = coalesce((SELECT workflow_id FROM revisions WHERE id = $1), $1) FOR SHARE;

-- name: find_startable
-- What a number names: a workflow, then its present revision; or one of its revisions, then that one.
-- $1 id of either
SELECT w.id AS workflow_id, w.project_id, w.name AS workflow_name, w.enabled, r.id AS revision_id, r.definition,
       w.managed_by
  FROM workflows AS w
  JOIN projects AS p ON p.id = w.project_id
  JOIN revisions AS r ON r.workflow_id = w.id AND r.id = CASE WHEN w.id = $1 THEN w.revision_id ELSE $1 END
 WHERE w.id = coalesce((SELECT workflow_id FROM revisions WHERE id = $1), $1)
   AND w.deleted_at IS NULL AND p.deleted_at IS NULL;

-- name: find_attempt
-- $1 workflow   $2 session time   $3 name
SELECT a.id
  FROM sessions AS s
  JOIN attempts AS a ON a.session_id = s.id
 WHERE s.workflow_id = $1 AND s.session_time = $2 AND a.name = $3;

-- name: request_kill
-- An attempt that nobody runs ends at once; another's holder hears of it. No row: it has finished.
-- $1 attempt   $2 at
UPDATE attempts AS a
   SET cancel_requested_at = coalesce(a.cancel_requested_at, $2),
       finished_at = CASE WHEN NOT is_held THEN $2 END,
       holder = CASE WHEN is_held THEN a.holder END,
       lease_until = CASE WHEN is_held THEN a.lease_until END,
       running_since = CASE WHEN is_held THEN a.running_since END,
       next_attempt_at = CASE WHEN is_held THEN a.next_attempt_at END
  FROM (SELECT id, holder IS NOT NULL AND lease_until > clock_timestamp() AS is_held, cancel_requested_at
          FROM attempts WHERE id = $1 AND finished_at IS NULL AND backfill_number IS NULL FOR UPDATE) AS found
 WHERE a.id = found.id
RETURNING a.finished_at IS NOT NULL AS has_ended, found.cancel_requested_at IS NULL AS is_first;
