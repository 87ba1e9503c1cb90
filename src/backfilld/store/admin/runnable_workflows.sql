-- name: find_target
-- One number names a workflow or one of its revisions; either way it is the workflow's present revision that runs.
-- $1 workflow or revision
SELECT w.id AS workflow_id, w.name, w.enabled, r.id AS revision_id, r.version, r.definition, w.managed_by
  FROM workflows w
  JOIN revisions r ON r.id = w.revision_id
 WHERE w.deleted_at IS NULL
   AND w.id = coalesce((SELECT workflow_id FROM revisions WHERE id = $1), $1);

-- name: list_enabled
-- $1 how many
SELECT id, name FROM workflows WHERE enabled AND deleted_at IS NULL ORDER BY id LIMIT $1;

-- name: find_pace
-- How quickly the workflow went lately, and with how many at once.
-- $1 workflow
SELECT p.throughput, b.max_in_flight
  FROM backfills b
  JOIN backfill_progress p ON p.backfill_number = b.number
 WHERE b.workflow_id = $1 AND p.throughput > 0
 ORDER BY b.number DESC
 LIMIT 1;
