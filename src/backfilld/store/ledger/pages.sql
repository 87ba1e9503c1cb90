-- name: list_items
-- The whole ledger in plan order, or any mixture of statuses. Where a page begins is said of outcomes and retries, too,
-- though it follows: else everything before the page may be read to find out that it does not matter.
-- $1 backfill   $2 behind position   $3 how many   $4 statuses   $5 error class   $6 positions in flight
SELECT *
  FROM (SELECT i.position, i.entity_id,
               CASE WHEN o.status IS NOT NULL THEN o.status::text
                    WHEN i.position = ANY($6::integer[]) THEN 'in_flight'
                    WHEN r.position IS NOT NULL THEN 'retrying'
                    ELSE 'pending' END AS status,
               coalesce(o.attempts, r.tries, 0) AS attempts,
               coalesce(o.started_at, r.first_started_at) AS started_at,
               o.finished_at, o.message, o.result, o.credits, o.skip_reason,
               coalesce(o.error_class, r.error_class) AS error_class, coalesce(o.error, r.error) AS error,
               o.http_status, r.next_attempt_at
          FROM plan_items i
          LEFT JOIN outcomes o ON o.backfill_no = $1 AND o.position = i.position AND o.position > $2
          LEFT JOIN retries r ON r.backfill_no = $1 AND r.position = i.position AND r.position > $2
         WHERE i.backfill_no = $1 AND i.position > $2) item
 WHERE ($4::text[] IS NULL OR status = ANY($4::text[]))
   AND ($5::text IS NULL OR error_class = $5)
 ORDER BY position
 LIMIT $3;

-- name: list_failed
-- Failures alone, along the index that holds nothing else: a million successes between two of them cost nothing.
-- $1 backfill   $2 behind position   $3 how many   $4 error class
SELECT o.position, i.entity_id, 'failed' AS status, o.attempts, o.started_at, o.finished_at, o.message, o.result,
       o.credits, o.skip_reason, o.error_class, o.error, o.http_status, NULL::timestamptz AS next_attempt_at
  FROM outcomes o
  JOIN plan_items i ON i.backfill_no = o.backfill_no AND i.position = o.position
 WHERE o.backfill_no = $1 AND o.status = 'failed' AND o.position > $2
   AND ($4::text IS NULL OR o.error_class = $4)
 ORDER BY o.position
 LIMIT $3;

-- name: list_at
-- The items at some positions, of those that have no outcome yet.
-- $1 backfill   $2 behind position   $3 how many   $4 statuses   $5 error class   $6 positions in flight
SELECT *
  FROM (SELECT i.position, i.entity_id,
               CASE WHEN i.position = ANY($6::integer[]) THEN 'in_flight' ELSE 'retrying' END AS status,
               coalesce(r.tries, 0) AS attempts, r.first_started_at AS started_at,
               NULL::timestamptz AS finished_at, NULL::text AS message, NULL::json AS result, NULL::numeric AS credits,
               NULL::text AS skip_reason, r.error_class, r.error, NULL::smallint AS http_status, r.next_attempt_at
          FROM (SELECT unnest($6::integer[]) AS position
                UNION
                SELECT position FROM retries WHERE backfill_no = $1) wanted
          JOIN plan_items i ON i.backfill_no = $1 AND i.position = wanted.position
          LEFT JOIN retries r ON r.backfill_no = $1 AND r.position = wanted.position
         WHERE wanted.position > $2
           AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.backfill_no = $1 AND o.position = wanted.position)) item
 WHERE status = ANY($4::text[])
   AND ($5::text IS NULL OR error_class = $5)
 ORDER BY position
 LIMIT $3;

-- name: list_pending
-- What nobody has touched lies behind the low-water mark: the million finished ones before it are not looked at.
-- $1 backfill   $2 behind position   $3 how many   $4 positions in flight
WITH place AS MATERIALIZED (
    SELECT greatest($2::integer + 1, low_water_mark) AS first FROM backfill_progress WHERE backfill_no = $1
)
SELECT i.position, i.entity_id, 'pending' AS status, 0 AS attempts, NULL::timestamptz AS started_at,
       NULL::timestamptz AS finished_at, NULL::text AS message, NULL::json AS result, NULL::numeric AS credits,
       NULL::text AS skip_reason, NULL::text AS error_class, NULL::text AS error, NULL::smallint AS http_status,
       NULL::timestamptz AS next_attempt_at
  FROM plan_items i
 WHERE i.backfill_no = $1
   AND i.position >= (SELECT first FROM place)
   AND i.position <> ALL($4::integer[])
   AND NOT EXISTS (SELECT 1 FROM outcomes o
                    WHERE o.backfill_no = $1 AND o.position = i.position AND o.position >= (SELECT first FROM place))
   AND NOT EXISTS (SELECT 1 FROM retries r
                    WHERE r.backfill_no = $1 AND r.position = i.position AND r.position >= (SELECT first FROM place))
 ORDER BY i.position
 LIMIT $3;

-- name: find_item
-- $1 backfill   $2 entity id   $3 positions in flight
SELECT i.position, i.entity_id,
       CASE WHEN o.status IS NOT NULL THEN o.status::text
            WHEN i.position = ANY($3::integer[]) THEN 'in_flight'
            WHEN r.position IS NOT NULL THEN 'retrying'
            ELSE 'pending' END AS status,
       coalesce(o.attempts, r.tries, 0) AS attempts,
       coalesce(o.started_at, r.first_started_at) AS started_at,
       o.finished_at, o.message, o.result, o.credits, o.skip_reason,
       coalesce(o.error_class, r.error_class) AS error_class, coalesce(o.error, r.error) AS error,
       o.http_status, r.next_attempt_at
  FROM plan_items i
  LEFT JOIN outcomes o ON o.backfill_no = i.backfill_no AND o.position = i.position
  LEFT JOIN retries r ON r.backfill_no = i.backfill_no AND r.position = i.position
 WHERE i.backfill_no = $1 AND i.entity_id = $2;

-- name: list_tries
-- $1 backfill   $2 position
SELECT attempt, started_at, finished_at, error_class, error, http_status
  FROM tries
 WHERE backfill_no = $1 AND position = $2
 ORDER BY attempt;

-- name: list_failed_ids
-- $1 backfill   $2 error class   $3 only these ids
SELECT i.entity_id
  FROM outcomes o
  JOIN plan_items i ON i.backfill_no = o.backfill_no AND i.position = o.position
 WHERE o.backfill_no = $1 AND o.status = 'failed'
   AND ($2::text IS NULL OR o.error_class = $2)
   AND ($3::text[] IS NULL OR i.entity_id = ANY($3::text[]))
 ORDER BY o.position;

-- name: list_planned_ids
-- Which of some ids the plan holds.
-- $1 backfill   $2 ids
SELECT entity_id FROM plan_items WHERE backfill_no = $1 AND entity_id = ANY($2::text[]);

-- name: count_run_before
-- How entities ended last under a workflow, counted by outcome.
-- $1 workflow   $2 entity type   $3 entity ids
SELECT status::text AS status, count(*) AS entities
  FROM last_runs
 WHERE workflow_id = $1 AND entity_type = $2 AND entity_id = ANY($3::text[])
 GROUP BY status;

-- name: count_run_at_all
-- The same for every entity of a type. A statement of its own: "or null" would read them all for a few ids, too.
-- $1 workflow   $2 entity type
SELECT status::text AS status, count(*) AS entities
  FROM last_runs
 WHERE workflow_id = $1 AND entity_type = $2
 GROUP BY status;

-- name: list_error_classes
-- $1 backfill   $2 how many
SELECT DISTINCT error_class FROM outcomes WHERE backfill_no = $1 AND status = 'failed' ORDER BY error_class LIMIT $2;
