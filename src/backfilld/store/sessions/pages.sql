-- name: list_sessions
-- The last attempt of each session tells everything of the session. Newest first, as all lists here.
-- $1 below id, or null   $2 how many
SELECT last.id
  FROM sessions AS s
 CROSS JOIN LATERAL (SELECT a.id FROM attempts AS a WHERE a.session_id = s.id ORDER BY a.index DESC LIMIT 1) AS last
 WHERE s.id < coalesce($1::bigint, 9223372036854775807)
 ORDER BY s.id DESC
 LIMIT $2;

-- name: list_sessions_of_project
-- $1 below id, or null   $2 how many   $3 project
SELECT last.id
  FROM sessions AS s
 CROSS JOIN LATERAL (SELECT a.id FROM attempts AS a WHERE a.session_id = s.id ORDER BY a.index DESC LIMIT 1) AS last
 WHERE s.project_id = $3 AND s.id < coalesce($1::bigint, 9223372036854775807)
 ORDER BY s.id DESC
 LIMIT $2;

-- name: list_sessions_of_workflow
-- $1 below id, or null   $2 how many   $3 workflow
SELECT last.id
  FROM sessions AS s
 CROSS JOIN LATERAL (SELECT a.id FROM attempts AS a WHERE a.session_id = s.id ORDER BY a.index DESC LIMIT 1) AS last
 WHERE s.workflow_id = $3 AND s.id < coalesce($1::bigint, 9223372036854775807)
 ORDER BY s.id DESC
 LIMIT $2;

-- name: find_last_of_session
-- $1 session
SELECT id FROM attempts WHERE session_id = $1 ORDER BY index DESC LIMIT 1;

-- name: list_of_session
-- $1 below id, or null   $2 how many   $3 session
SELECT id
  FROM attempts
 WHERE session_id = $3 AND id < coalesce($1::bigint, 9223372036854775807)
 ORDER BY id DESC
 LIMIT $2;

-- name: list_all
-- Without the retried ones: only the last attempt of each session.
-- $1 below id, or null   $2 how many   $3 retried ones, too
SELECT a.id
  FROM attempts AS a
  JOIN sessions AS s ON s.id = a.session_id
 WHERE a.id < coalesce($1::bigint, 9223372036854775807) AND ($3 OR a.index = s.attempts)
 ORDER BY a.id DESC
 LIMIT $2;

-- name: list_of_project
-- $1 below id, or null   $2 how many   $3 retried ones, too   $4 project
SELECT a.id
  FROM attempts AS a
  JOIN sessions AS s ON s.id = a.session_id
 WHERE a.project_id = $4 AND a.id < coalesce($1::bigint, 9223372036854775807) AND ($3 OR a.index = s.attempts)
 ORDER BY a.id DESC
 LIMIT $2;

-- name: list_of_workflow
-- $1 below id, or null   $2 how many   $3 retried ones, too   $4 workflow
SELECT a.id
  FROM attempts AS a
  JOIN sessions AS s ON s.id = a.session_id
 WHERE a.workflow_id = $4 AND a.id < coalesce($1::bigint, 9223372036854775807) AND ($3 OR a.index = s.attempts)
 ORDER BY a.id DESC
 LIMIT $2;

-- name: find_project
-- $1 name
SELECT id FROM projects WHERE name = $1 AND deleted_at IS NULL;

-- name: find_workflow_of_project
-- Deleted ones too: their sessions stay readable.
-- $1 project   $2 name
SELECT id FROM workflows WHERE project_id = $1 AND name = $2;

-- name: project_exists
-- $1 project
SELECT EXISTS (SELECT FROM projects WHERE id = $1);

-- name: list_logs
-- $1 attempt
SELECT try, finished_at, octet_length(content) AS bytes FROM attempt_logs WHERE attempt_id = $1 ORDER BY try;

-- name: find_log
-- $1 attempt   $2 try
SELECT content FROM attempt_logs WHERE attempt_id = $1 AND try = $2;

-- name: find_definition
-- One number names a workflow or one of its revisions; here it is that revision, or else the present one.
-- $1 id of either
SELECT w.project_id, p.name AS project_name, coalesce(pushed.name, r.version::text) AS revision, r.definition
  FROM revisions AS r
  JOIN workflows AS w ON w.id = r.workflow_id
  JOIN projects AS p ON p.id = w.project_id
  LEFT JOIN project_revisions AS pushed ON pushed.id = r.project_revision_id
 WHERE r.id = coalesce((SELECT id FROM revisions WHERE id = $1), (SELECT revision_id FROM workflows WHERE id = $1))
   AND w.deleted_at IS NULL AND p.deleted_at IS NULL;

-- name: find_task
-- $1 revision
SELECT definition ->> 'task' FROM revisions WHERE id = $1;
