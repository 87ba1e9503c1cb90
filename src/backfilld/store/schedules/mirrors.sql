-- name: list_mirrors
SELECT m.id, m.workflow_id, s.id AS schedule_here, p.name AS project_here, w.name AS workflow_here, m.engine, m.project,
       m.workflow, m.project_id, m.schedule_id, m.advance_to, m.read_at, m.problem, m.created_by, m.created_at
  FROM mirrors AS m
  JOIN workflows AS w ON w.id = m.workflow_id
  JOIN projects AS p ON p.id = w.project_id
  LEFT JOIN schedules AS s ON s.workflow_id = w.id
 WHERE ($1::bigint IS NULL OR m.id = $1) AND ($2::bigint IS NULL OR m.workflow_id = $2)
 ORDER BY m.id;

-- name: insert_mirror
-- $1 workflow   $2 engine   $3 project there   $4 workflow there   $5 its project's id   $6 its schedule's id
-- $7 who   $8 at
INSERT INTO mirrors (workflow_id, engine, project, workflow, project_id, schedule_id, read_at, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $8, $7, $8)
RETURNING id;

-- name: delete_mirror
-- $1 id
DELETE FROM mirrors WHERE id = $1;

-- name: was_read
-- $1 id   $2 project there   $3 schedule there   $4 at
UPDATE mirrors SET project_id = $2, schedule_id = $3, read_at = $4, problem = NULL WHERE id = $1;

-- name: could_not_be_read
-- $1 id   $2 why
UPDATE mirrors SET problem = $2 WHERE id = $1;

-- name: put_schedule
-- Where the schedule there stands. $1 workflow   $2 session time   $3 run time   $4 disabled at   $5 at
UPDATE schedules SET next_session_at = $2, next_run_at = $3, disabled_at = $4, updated_at = $5 WHERE workflow_id = $1;

-- name: advance
-- $1 workflow   $2 the run time to go on at
UPDATE mirrors SET advance_to = greatest(advance_to, $2) WHERE workflow_id = $1;

-- name: advanced
-- $1 id   $2 the run time that was asked for; another one may have been asked for since
UPDATE mirrors SET advance_to = NULL WHERE id = $1 AND advance_to = $2;
