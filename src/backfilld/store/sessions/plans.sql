-- name: find_named
-- The first of some slots whose session has an attempt of that name.
-- $1 workflow   $2 session times   $3 name
SELECT s.session_time
  FROM sessions AS s
  JOIN attempts AS a ON a.session_id = s.id AND a.name = $3
 WHERE s.workflow_id = $1 AND s.session_time = ANY ($2::timestamptz[])
 ORDER BY s.session_time
 LIMIT 1;

-- name: list_named
-- Those of some slots whose session has an attempt of that name.
-- $1 workflow   $2 session times   $3 name
SELECT s.session_time
  FROM sessions AS s
  JOIN attempts AS a ON a.session_id = s.id AND a.name = $3
 WHERE s.workflow_id = $1 AND s.session_time = ANY ($2::timestamptz[]);

-- name: list_succeeded_times
-- Sessions whose newest attempt succeeded.
-- $1 workflow   $2 from   $3 to, inclusive
SELECT s.session_time
  FROM sessions AS s
 CROSS JOIN LATERAL (SELECT a.succeeded FROM attempts AS a WHERE a.session_id = s.id ORDER BY a.index DESC LIMIT 1) AS last
 WHERE s.workflow_id = $1 AND s.session_time BETWEEN $2 AND $3 AND last.succeeded
 ORDER BY s.session_time;

-- name: list_session_times
-- $1 workflow   $2 from   $3 to, inclusive
SELECT session_time FROM sessions WHERE workflow_id = $1 AND session_time BETWEEN $2 AND $3 ORDER BY session_time;

-- name: find_session_before
-- $1 workflow   $2 session time
SELECT max(session_time) FROM sessions WHERE workflow_id = $1 AND session_time < $2;

-- name: count_waiting
-- Attempts of backfills that have not finished, counted no further than matters.
-- $1 how many at most
SELECT count(*)
  FROM (SELECT FROM attempts WHERE finished_at IS NULL AND backfill_number IS NOT NULL LIMIT $1) AS waiting;

-- name: plan_sessions
-- The attempts of a backfill are its plan.
-- $1 backfill
INSERT INTO plan_items (backfill_number, position, entity_id)
SELECT a.backfill_number, a.position, to_char(s.session_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  FROM attempts AS a
  JOIN sessions AS s ON s.id = a.session_id
 WHERE a.backfill_number = $1;

-- name: count_plan
-- $1 backfill   $2 how many
UPDATE backfill_progress SET planned = $2 WHERE backfill_number = $1;

-- name: open_plan
-- The plan is frozen: it may run. Told in the timeline like the end of any other planning.
-- $1 backfill   $2 at
WITH opened AS (
    UPDATE backfills SET status = 'running', planned_at = $2 WHERE number = $1 AND status = 'planning' RETURNING number, id
)
INSERT INTO audit_log (at, actor, action, backfill_number, subject, old, new)
SELECT $2, 'system', 'backfill.status', number, 'backfill/' || id,
       json_build_object('status', 'planning', 'status_reason', NULL),
       json_build_object('status', 'running', 'status_reason', NULL)
  FROM opened;

-- name: list_attempts_of_sessions
-- The attempts that a backfill made, of some of its items, to be run again under another name.
-- $1 backfill   $2 entity ids
SELECT a.name, a.params, s.session_time, a.project_id, p.name AS project_name
  FROM unnest($2::text[]) AS wanted (entity_id)
 CROSS JOIN LATERAL (
       SELECT position FROM plan_items WHERE backfill_number + 0 = $1 AND entity_id = wanted.entity_id OFFSET 0) AS i
 CROSS JOIN LATERAL (SELECT * FROM attempts WHERE backfill_number = $1 AND position = i.position OFFSET 0) AS a
 CROSS JOIN LATERAL (SELECT session_time FROM sessions WHERE id = a.session_id OFFSET 0) AS s
  JOIN projects AS p ON p.id = a.project_id
 ORDER BY i.position;

-- name: list_rerun_names
-- $1 workflow   $2 session times   $3 what the names begin with
SELECT DISTINCT a.name
  FROM sessions AS s
  JOIN attempts AS a ON a.session_id = s.id AND starts_with(a.name, $3)
 WHERE s.workflow_id = $1 AND s.session_time = ANY ($2::timestamptz[]);
