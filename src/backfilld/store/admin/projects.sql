-- name: lock_project
-- Who pushes or deletes a project does so alone. Not FOR UPDATE: a new workflow's reference to the project may go on.
-- $1 name
SELECT id FROM projects WHERE name = $1 AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: lock_project_by_id
-- $1 id
SELECT id FROM projects WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: touch_project
-- $1 id   $2 at
UPDATE projects SET updated_at = $2 WHERE id = $1;

-- name: delete_project
-- $1 id   $2 at
UPDATE projects SET deleted_at = $2, updated_at = $2 WHERE id = $1;

-- name: add_push
-- No row comes back if the project has a revision of that name already.
-- $1 project   $2 name   $3 archive   $4 md5   $5 pushed by   $6 at
INSERT INTO project_revisions (project_id, name, archive, archive_md5, pushed_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (project_id, name) DO NOTHING
RETURNING id;

-- name: list_projects
-- With the newest push of each; one that was never pushed has the newest definition of its workflows instead.
-- $1 id, or null   $2 name, or null   $3 part of the name, or null   $4 id of the last one seen, or null
-- $5 how many   $6 deleted ones, too
SELECT p.id, p.name, p.created_at, p.updated_at, p.deleted_at, push.name AS push_name, push.archive_md5,
       (SELECT max(w.revision_id) FROM workflows AS w WHERE w.project_id = p.id AND w.deleted_at IS NULL)
           AS newest_revision_id
  FROM projects AS p
  LEFT JOIN LATERAL (
       SELECT r.name, r.archive_md5 FROM project_revisions AS r WHERE r.project_id = p.id ORDER BY r.id DESC LIMIT 1
  ) AS push ON true
 WHERE (p.deleted_at IS NULL OR $6)
   AND ($1::bigint IS NULL OR p.id = $1)
   AND ($2::text IS NULL OR p.name = $2)
   AND ($3::text IS NULL OR strpos(p.name, $3) > 0)
   AND ($4::bigint IS NULL OR p.id > $4)
 ORDER BY p.id
 LIMIT $5;

-- name: list_pushes
-- Newest first.
-- $1 project   $2 name, or null   $3 id of the last one seen, or null   $4 how many, or null
SELECT id, name, archive_md5, pushed_by, created_at
  FROM project_revisions
 WHERE project_id = $1
   AND ($2::text IS NULL OR name = $2)
   AND ($3::bigint IS NULL OR id < $3)
 ORDER BY id DESC
 LIMIT $4;

-- name: find_archive
-- Of the newest push, or of the one that is named.
-- $1 project   $2 name, or null
SELECT archive FROM project_revisions
 WHERE project_id = $1 AND ($2::text IS NULL OR name = $2)
 ORDER BY id DESC
 LIMIT 1;

-- name: list_workflows_of_project
-- Those that are not deleted.
-- $1 project
SELECT id, name, managed_by FROM workflows WHERE project_id = $1 AND deleted_at IS NULL ORDER BY name;

-- name: list_pushed_workflows
-- Workflows of projects that are alive: as they are now or, where a push is named, as that push brought them.
-- The id is that of the definition.
-- $1 project, or null   $2 project revision, or null   $3 workflow name, or null   $4 part of the name, or null
-- $5 the part may also be one of the project's name   $6 id of the last one seen, or null   $7 descending
-- $8 how many, or null
SELECT r.id, w.id AS workflow_id, w.name, w.project_id, p.name AS project_name, push.name AS push_name,
       r.definition, r.document
  FROM workflows AS w
  JOIN projects AS p ON p.id = w.project_id
  JOIN revisions AS r ON r.workflow_id = w.id
  LEFT JOIN project_revisions AS push ON push.id = r.project_revision_id
 WHERE p.deleted_at IS NULL
   AND ($1::bigint IS NULL OR p.id = $1)
   AND CASE WHEN $2::text IS NULL THEN r.id = w.revision_id AND w.deleted_at IS NULL ELSE push.name = $2 END
   AND ($3::text IS NULL OR w.name = $3)
   AND ($4::text IS NULL OR strpos(w.name, $4) > 0 OR ($5::boolean AND strpos(p.name, $4) > 0))
   AND ($6::bigint IS NULL OR CASE WHEN $7::boolean THEN r.id < $6 ELSE r.id > $6 END)
 ORDER BY CASE WHEN $7::boolean THEN -r.id ELSE r.id END
 LIMIT $8;

-- name: find_pushed_workflow
-- The definition of that id or, for the id of a workflow, its present one.
-- $1 id of either
SELECT r.id, w.id AS workflow_id, w.name, w.project_id, p.name AS project_name, push.name AS push_name,
       r.definition, r.document
  FROM revisions AS r
  JOIN workflows AS w ON w.id = r.workflow_id
  JOIN projects AS p ON p.id = w.project_id
  LEFT JOIN project_revisions AS push ON push.id = r.project_revision_id
 WHERE p.deleted_at IS NULL
   AND w.deleted_at IS NULL
   AND r.id = coalesce((SELECT revision_id FROM workflows WHERE id = $1), $1);

-- name: list_secret_keys
-- $1 project
SELECT key FROM project_secrets WHERE project_id = $1 ORDER BY key;

-- name: put_secret
-- $1 project   $2 key   $3 value   $4 at
INSERT INTO project_secrets (project_id, key, value, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (project_id, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;

-- name: delete_secret
-- $1 project   $2 key
DELETE FROM project_secrets WHERE project_id = $1 AND key = $2 RETURNING key;

-- name: delete_all_secrets
-- $1 project
DELETE FROM project_secrets WHERE project_id = $1;

-- name: read_secrets
-- For the executors, and for nobody else.
-- $1 project, by name
SELECT s.key, s.value
  FROM project_secrets AS s
  JOIN projects AS p ON p.id = s.project_id
 WHERE p.name = $1 AND p.deleted_at IS NULL;
