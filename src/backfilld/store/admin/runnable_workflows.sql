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

-- name: find_speeds
-- How quickly each workflow went lately, with how many at once, and how long its last items took that were tried once.
-- A rehearsal, in which a target may do nothing, tells only where there is nothing else.
-- $1 workflows   $2 how many items are looked at
SELECT wanted.id, latest.throughput, latest.max_in_flight, took.seconds
  FROM unnest($1::bigint[]) AS wanted (id)
 CROSS JOIN LATERAL (
       SELECT b.number, p.throughput, b.max_in_flight
         FROM backfills AS b
         JOIN backfill_progress AS p ON p.backfill_number = b.number
        WHERE b.workflow_id = wanted.id AND p.throughput > 0
        ORDER BY (b.settings ->> 'rehearsal') IS NOT DISTINCT FROM 'true', b.number DESC
        LIMIT 1) AS latest
  LEFT JOIN LATERAL (
       SELECT avg(extract(epoch FROM o.finished_at - o.started_at))::float8 AS seconds
         FROM (SELECT started_at, finished_at, attempts
                 FROM outcomes
                WHERE backfill_number = latest.number
                ORDER BY position DESC
                LIMIT $2) AS o
        WHERE o.attempts = 1 AND o.started_at IS NOT NULL) AS took ON true;
