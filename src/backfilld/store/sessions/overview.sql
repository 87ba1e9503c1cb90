-- name: list_overview
-- Schedules as people look at them: by group, what failed last first, each group by its names; and how many each has.
-- $1 text to be found in the names of workflow or project, or null   $2 project, or null   $3 only this group, or null
-- $4 behind the schedule of this id, or null   $5 how many of each group
WITH seen AS MATERIALIZED (
    SELECT s.id, w.project_id, p.name AS project_name, s.workflow_id, w.name AS workflow_name,
           w.enabled AS workflow_enabled, w.managed_by, w.revision_id, s.next_session_at, s.next_run_at, s.last_session_at,
           s.skipped_to, s.disabled_at, s.created_at, s.updated_at,
           CASE WHEN s.next_session_at >= timestamptz '9999-01-01 00:00:00+00' THEN 'finished'
                WHEN s.disabled_at IS NOT NULL OR NOT w.enabled THEN 'off'
                WHEN last.has_failed THEN 'attention'
                ELSE 'on' END AS state
      FROM schedules AS s
      JOIN workflows AS w ON w.id = s.workflow_id
      JOIN projects AS p ON p.id = w.project_id
      LEFT JOIN LATERAL (
          SELECT (SELECT a.finished_at IS NOT NULL AND NOT a.succeeded AND a.cancel_requested_at IS NULL
                    FROM attempts AS a WHERE a.session_id = x.id ORDER BY a.index DESC LIMIT 1) AS has_failed
            FROM sessions AS x WHERE x.workflow_id = s.workflow_id ORDER BY x.session_time DESC LIMIT 1
      ) AS last ON true
     WHERE ($1::text IS NULL OR strpos(lower(w.name), lower($1)) > 0 OR strpos(lower(p.name), lower($1)) > 0)
       AND ($2::text IS NULL OR p.name = $2)
), counted AS (
    SELECT state, count(*) AS of_state FROM seen GROUP BY state
), placed AS (
    SELECT seen.*, row_number() OVER (PARTITION BY state ORDER BY project_name, workflow_name, id) AS place
      FROM seen
     WHERE ($3::text IS NULL OR state = $3)
       AND ($4::bigint IS NULL OR (project_name, workflow_name, id) >
            (SELECT b.project_name, b.workflow_name, b.id FROM seen AS b WHERE b.id = $4))
)
SELECT placed.*, r.definition, counted.state AS counted_state, counted.of_state
  FROM counted
  LEFT JOIN placed ON placed.state = counted.state AND placed.place <= $5
  LEFT JOIN revisions AS r ON r.id = placed.revision_id
 ORDER BY placed.project_name, placed.workflow_name, placed.id;

-- name: list_recent
-- How the newest sessions of some workflows stand, each by its last attempt; newest first.
-- $1 workflows   $2 how many of each
SELECT w.id AS workflow_id, s.id AS session_id, s.session_time, last.*
  FROM unnest($1::bigint[]) AS w (id)
 CROSS JOIN LATERAL (SELECT x.id, x.session_time FROM sessions AS x WHERE x.workflow_id = w.id
                      ORDER BY x.session_time DESC LIMIT $2) AS s
 CROSS JOIN LATERAL (SELECT a.id AS attempt_id, a.index, a.cancel_requested_at, a.running_since, a.finished_at,
                            a.succeeded
                       FROM attempts AS a WHERE a.session_id = s.id ORDER BY a.index DESC LIMIT 1) AS last
 ORDER BY w.id, s.session_time DESC;

-- name: list_between
-- How the sessions of a workflow between two session times stand, both included; ascending.
-- $1 workflow   $2 first   $3 last
SELECT $1::bigint AS workflow_id, s.id AS session_id, s.session_time, last.*
  FROM sessions AS s
 CROSS JOIN LATERAL (SELECT a.id AS attempt_id, a.index, a.cancel_requested_at, a.running_since, a.finished_at,
                            a.succeeded
                       FROM attempts AS a WHERE a.session_id = s.id ORDER BY a.index DESC LIMIT 1) AS last
 WHERE s.workflow_id = $1 AND s.session_time BETWEEN $2 AND $3
 ORDER BY s.session_time;

-- name: list_newest
-- The last attempts of the newest sessions by session time; of those that are looked at, only the ones of a state.
-- $1 workflow   $2 session times before this, or null   $3 state, or null   $4 how many sessions are looked at
-- $5 how many
SELECT found.id
  FROM (SELECT s.id, s.session_time FROM sessions AS s
         WHERE s.workflow_id = $1 AND s.session_time < coalesce($2::timestamptz, 'infinity')
         ORDER BY s.session_time DESC LIMIT $4) AS s
 CROSS JOIN LATERAL (SELECT a.id,
                            CASE WHEN a.succeeded THEN 'success'
                                 WHEN a.finished_at IS NULL THEN 'unfinished'
                                 WHEN a.cancel_requested_at IS NULL THEN 'error'
                                 ELSE 'killed' END AS state
                       FROM attempts AS a WHERE a.session_id = s.id ORDER BY a.index DESC LIMIT 1) AS found
 WHERE $3::text IS NULL OR found.state = $3
 ORDER BY s.session_time DESC
 LIMIT $5;

-- name: find_schedule_of
-- $1 workflow
SELECT id FROM schedules WHERE workflow_id = $1;

-- name: list_backfills
-- $1 numbers
SELECT number, id, name FROM backfills WHERE number = ANY ($1::bigint[]);

-- name: list_key_names
-- $1 callers, of which those that are keys have a name
SELECT wanted.identity, k.name
  FROM unnest($1::text[]) AS wanted (identity)
  JOIN api_keys AS k ON 'key:' || k.id::text = wanted.identity;
