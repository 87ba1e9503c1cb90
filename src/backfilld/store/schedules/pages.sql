-- name: list_schedules
-- $1 behind id, or null   $2 project, or null   $3 workflow name, or null   $4 how many
SELECT s.id, w.project_id, p.name AS project_name, s.workflow_id, w.name AS workflow_name,
       w.enabled AS workflow_enabled, w.revision_id, r.definition, s.next_session_at, s.next_run_at,
       s.last_session_at, s.skipped_to, s.disabled_at, s.created_at, s.updated_at
  FROM schedules AS s
  JOIN workflows AS w ON w.id = s.workflow_id
  JOIN projects AS p ON p.id = w.project_id
  JOIN revisions AS r ON r.id = w.revision_id
 WHERE ($1::bigint IS NULL OR s.id > $1)
   AND ($2::bigint IS NULL OR w.project_id = $2)
   AND ($3::text IS NULL OR w.name = $3)
 ORDER BY s.id
 LIMIT $4;

-- name: project_lives
-- $1 project
SELECT EXISTS (SELECT FROM projects WHERE id = $1 AND deleted_at IS NULL);
