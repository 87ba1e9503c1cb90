-- name: make_project
-- $1 name   $2 at
INSERT INTO projects (name, created_at, updated_at) VALUES ($1, $2, $2)
ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING;

-- name: make_workflow
-- No row comes back if the name is taken; who asks then locks that row and looks. The project is held, so that nobody
-- deletes it meanwhile and leaves a workflow alive in it; nor is there a row if somebody just did.
-- $1 project   $2 name   $3 managed by   $4 enabled   $5 at
INSERT INTO workflows (project_id, name, managed_by, enabled, version, created_at, updated_at)
SELECT id, $2, $3, $4, 0, $5, $5 FROM projects WHERE name = $1 AND deleted_at IS NULL FOR SHARE
ON CONFLICT (project_id, name) DO NOTHING
RETURNING id;

-- name: lock_by_name
-- Not FOR UPDATE: whoever makes a backfill holds the schedule and then refers to the workflow; who writes a workflow
-- holds the workflow and then moves the schedule. Neither shall wait for the other.
-- $1 project   $2 name
SELECT w.id FROM workflows w JOIN projects p ON p.id = w.project_id
 WHERE p.name = $1 AND p.deleted_at IS NULL AND w.name = $2
   FOR NO KEY UPDATE OF w;

-- name: lock_by_id
-- $1 id
SELECT id FROM workflows WHERE id = $1 FOR UPDATE;

-- name: find_workflow
-- One number names a workflow or one of its revisions; either way the workflow as it is now.
-- $1 id of either
SELECT w.id, p.name AS project, w.name, w.managed_by, w.enabled, w.revision_id, w.version, r.definition,
       w.created_at, w.updated_at, w.deleted_at
  FROM workflows w
  JOIN projects p ON p.id = w.project_id
  JOIN revisions r ON r.id = w.revision_id
 WHERE w.id = coalesce((SELECT workflow_id FROM revisions WHERE id = $1), $1);

-- name: list_workflows
-- $1 id of the last one seen, or null   $2 project, or null   $3 name, or null   $4 how many
SELECT w.id, p.name AS project, w.name, w.managed_by, w.enabled, w.revision_id, w.version, r.definition,
       w.created_at, w.updated_at, w.deleted_at
  FROM workflows w
  JOIN projects p ON p.id = w.project_id
  JOIN revisions r ON r.id = w.revision_id
 WHERE w.deleted_at IS NULL
   AND ($1::bigint IS NULL OR w.id > $1)
   AND ($2::text IS NULL OR p.name = $2)
   AND ($3::text IS NULL OR w.name = $3)
 ORDER BY w.id
 LIMIT $4;

-- name: list_managed_by_config
-- As they stand, each with the text of its definition.
SELECT w.id, p.name AS project, w.name, w.enabled, r.definition
  FROM workflows w
  JOIN projects p ON p.id = w.project_id
  JOIN revisions r ON r.id = w.revision_id
 WHERE w.managed_by = 'config' AND w.deleted_at IS NULL AND p.deleted_at IS NULL
 ORDER BY w.id;

-- name: add_revision
-- $1 workflow   $2 definition   $3 at   $4 the push that brought it, or null   $5 what it was written as, or null
WITH numbered AS (
    UPDATE workflows SET version = version + 1, updated_at = $3 WHERE id = $1 RETURNING id, version
), made AS (
    INSERT INTO revisions (workflow_id, version, definition, created_at, project_revision_id, document)
    SELECT id, version, $2, $3, $4, $5 FROM numbered
    RETURNING id, workflow_id
)
SELECT id FROM made;

-- name: set_revision
-- $1 workflow   $2 revision
UPDATE workflows SET revision_id = $2 WHERE id = $1;

-- name: set_workflow
-- $1 id   $2 managed by   $3 enabled   $4 deleted at, or null   $5 at
UPDATE workflows
   SET managed_by = $2, enabled = $3, deleted_at = $4, updated_at = $5
 WHERE id = $1;

-- name: find_active_backfill
-- $1 workflow
SELECT id, status FROM backfills
 WHERE workflow_id = $1 AND deleted_at IS NULL
   AND status IN ('planning', 'running', 'waiting', 'paused', 'cancelling')
 ORDER BY number
 LIMIT 1;

-- name: tell_owners
-- Whoever runs a backfill of this workflow shall look again.
-- $1 workflow
SELECT pg_notify('backfilld', number || ' ' || version)
  FROM backfills
 WHERE workflow_id = $1 AND status IN ('planning', 'running', 'waiting', 'paused', 'cancelling');
