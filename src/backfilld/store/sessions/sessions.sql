-- name: open_attempts
-- Sessions that are missing are made, and each gets one more attempt. A session that is there already is locked by the
-- same statement that gives its new attempt an index, so that two who come at once get two indexes; or it is left out,
-- where sessions that have an attempt shall be skipped.
-- A name that a session has already breaks the unique key, and with it the whole request.
-- $1 project   $2 workflow   $3 revision   $4 timezone   $5 attempt name   $6 created by   $7 at
-- $8 backfill, or null   $9 skip sessions that exist
-- $10 session times   $11 params   $12 bytes for the uuids of sessions that are missing (one of each per slot)
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($10::timestamptz[], $11::text[], $12::bytea[]) AS w (session_time, params, drawn)
), opened AS (
    INSERT INTO sessions AS s (uuid, project_id, workflow_id, session_time, created_at)
    SELECT encode(drawn, 'hex')::uuid, $1, $2, session_time, $7 FROM wanted ORDER BY session_time
    ON CONFLICT (workflow_id, session_time) DO UPDATE SET attempts = s.attempts + 1 WHERE NOT $9
    RETURNING s.id, s.uuid, s.session_time, s.attempts
), made AS (
    INSERT INTO attempts (session_id, index, name, project_id, workflow_id, revision_id, timezone, params, created_by,
                          created_at, backfill_number, position)
    SELECT o.id, o.attempts, $5, $1, $2, $3, $4, w.params::json, $6, $7, $8::bigint,
           CASE WHEN $8::bigint IS NOT NULL THEN row_number() OVER (ORDER BY o.session_time) - 1 END
      FROM opened AS o
      JOIN wanted AS w USING (session_time)
     ORDER BY o.session_time
    RETURNING id, session_id, index, position
)
SELECT made.id, made.index, made.position, made.session_id, o.uuid AS session_uuid, o.session_time
  FROM made
  JOIN opened AS o ON o.id = made.session_id
 ORDER BY o.session_time;

-- name: list_attempts_by_id
-- Attempts with all that is shown of them.
-- $1 ids
SELECT a.id, a.index, a.name, a.session_id, s.uuid AS session_uuid, s.session_time, a.project_id,
       p.name AS project_name, a.workflow_id, w.name AS workflow_name, a.revision_id, a.timezone, a.params,
       a.created_by, a.created_at, a.cancel_requested_at, a.started_at, a.running_since, a.finished_at, a.succeeded,
       a.backfill_number, a.position,
       a.finished_at IS NULL AND a.backfill_number IS NOT NULL
           AND EXISTS (SELECT FROM backfills AS b WHERE b.number = a.backfill_number AND b.max_in_flight = 1)
           AND EXISTS (SELECT FROM attempts AS e
                        WHERE e.backfill_number = a.backfill_number AND e.finished_at IS NULL AND e.position < a.position)
           AS is_blocked,
       a.message, a.result, a.credits, a.error_class, a.error, a.http_status
  FROM attempts AS a
  JOIN sessions AS s ON s.id = a.session_id
  JOIN projects AS p ON p.id = a.project_id
  JOIN workflows AS w ON w.id = a.workflow_id
 WHERE a.id = ANY ($1::bigint[])
 ORDER BY a.id;
