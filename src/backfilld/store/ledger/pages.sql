-- part: rest_cancelled_at
(SELECT rest_cancelled_at FROM backfill_progress WHERE backfill_number = $1)

-- name: list_items
-- The whole ledger in plan order. What is known of an item is looked up by its whole key, here and below: for a join the
-- planner may compare every outcome with every item, as long as its statistics do not know the backfill.
-- $1 backfill   $2 behind position   $3 how many   $4 positions in flight
SELECT i.position, i.entity_id,
       CASE WHEN o.status IS NOT NULL THEN o.status::text
            WHEN i.position = ANY($4::integer[]) THEN 'in_flight'
            WHEN r.position IS NOT NULL THEN 'retrying'
            WHEN /* part: rest_cancelled_at */ IS NOT NULL THEN 'cancelled'
            ELSE 'pending' END AS status,
       coalesce(o.attempts, r.tries, 0) AS attempts,
       coalesce(o.started_at, r.first_started_at) AS started_at,
       coalesce(o.finished_at, CASE WHEN r.position IS NULL THEN /* part: rest_cancelled_at */ END) AS finished_at, o.message, o.result, o.credits, o.skip_reason,
       coalesce(o.error_class, r.error_class) AS error_class, coalesce(o.error, r.error) AS error,
       o.http_status, r.next_attempt_at
  FROM (SELECT position, entity_id
          FROM plan_items
         WHERE backfill_number = $1 AND position > $2
         ORDER BY position
         LIMIT $3) i
  LEFT JOIN LATERAL (SELECT * FROM outcomes WHERE backfill_number = $1 AND position = i.position OFFSET 0) o ON true
  LEFT JOIN LATERAL (SELECT * FROM retries WHERE backfill_number = $1 AND position = i.position OFFSET 0) r ON true
 ORDER BY i.position;

-- part: ended
SELECT o.position, i.entity_id, o.status::text AS status, o.attempts, o.started_at, o.finished_at, o.message, o.result,
       o.credits, o.skip_reason, o.error_class, o.error, o.http_status, NULL::timestamptz AS next_attempt_at

-- part: entity
CROSS JOIN LATERAL (SELECT entity_id FROM plan_items WHERE backfill_number = $1 AND position = o.position OFFSET 0) i

-- name: list_succeeded
-- Along the key, since a success pays for no other index; what the planner left out is jumped over.
-- $1 backfill   $2 behind position   $3 how many
WITH gaps AS MATERIALIZED (
    SELECT first, past FROM plan_gaps WHERE backfill_number = $1 AND past > $2::integer + 1 ORDER BY past
), stretches AS MATERIALIZED (
    SELECT lag(past, 1, $2::integer + 1) OVER (ORDER BY past) AS first, first AS past FROM gaps
     UNION ALL
    SELECT coalesce(max(past), $2::integer + 1), (SELECT planned FROM backfill_progress WHERE backfill_number = $1) FROM gaps
)
/* part: ended */
  FROM (SELECT found.*
          FROM (SELECT first, past FROM stretches WHERE first < past ORDER BY first OFFSET 0) AS s
         CROSS JOIN LATERAL (
               SELECT *
                 FROM outcomes
                WHERE backfill_number = $1 AND position >= s.first AND position < s.past AND status = 'succeeded'
                ORDER BY position
                LIMIT $3) AS found
         LIMIT $3) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_unusual
-- What was skipped, or cancelled, along the index that holds nothing else.
-- $1 backfill   $2 behind position   $3 how many   $4 status
/* part: ended */
  FROM (SELECT *
          FROM outcomes
         WHERE backfill_number + 0 = $1 AND status IN ('skipped', 'cancelled') AND status = $4::text::outcome_status
           AND position > $2
         ORDER BY position
         LIMIT $3) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_failed
-- Failures alone, along the index that holds nothing else: a million successes between two of them cost nothing. Here and
-- below, those of a class or of a group have an index and a statement of their own, so that the rare among many costs no more.
-- What has a class has failed; that is not said besides, because then any index of failures would do.
-- $1 backfill   $2 behind position   $3 how many
/* part: ended */
  FROM (SELECT *
          FROM outcomes
         WHERE backfill_number = $1 AND status = 'failed' AND position > $2
         ORDER BY position
         LIMIT $3) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_failed_of_class
-- $1 backfill   $2 behind position   $3 how many   $4 error class
/* part: ended */
  FROM (SELECT *
          FROM outcomes
         WHERE backfill_number + 0 = $1 AND error_class = $4 AND position > $2
         ORDER BY position
         LIMIT $3) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_failed_of_group
-- $1 backfill   $2 behind position   $3 how many   $4 fingerprint   $5 error class (null: any)
/* part: ended */
  FROM (SELECT *
          FROM outcomes
         WHERE backfill_number + 0 = $1 AND fingerprint = $4 AND position > $2
           AND ($5::text IS NULL OR error_class = $5)
         ORDER BY position
         LIMIT $3) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_at
-- The items in flight and those that wait for their next try, of those that have no outcome yet. No more of the waiting
-- ones are looked at than the page can hold.
-- $1 backfill   $2 behind position   $3 how many   $4 statuses   $5 error class   $6 positions in flight
SELECT *
  FROM (SELECT i.position, i.entity_id,
               CASE WHEN i.position = ANY($6::integer[]) THEN 'in_flight' ELSE 'retrying' END AS status,
               coalesce(r.tries, 0) AS attempts, r.first_started_at AS started_at,
               NULL::timestamptz AS finished_at, NULL::text AS message, NULL::json AS result, NULL::numeric AS credits,
               NULL::text AS skip_reason, r.error_class, r.error, NULL::smallint AS http_status, r.next_attempt_at
          FROM (SELECT unnest($6::integer[]) AS position
                UNION
                SELECT position
                  FROM (SELECT position
                          FROM retries
                         WHERE backfill_number = $1 AND position > $2 AND position <> ALL($6::integer[])
                           AND ($5::text IS NULL OR error_class = $5) AND 'retrying' = ANY($4::text[])
                         ORDER BY position
                         LIMIT $3) waiting) wanted
         CROSS JOIN LATERAL (
               SELECT position, entity_id FROM plan_items WHERE backfill_number = $1 AND position = wanted.position OFFSET 0) i
          LEFT JOIN LATERAL (
               SELECT * FROM retries WHERE backfill_number = $1 AND position = wanted.position OFFSET 0) r ON true
         WHERE wanted.position > $2
           AND (SELECT o.position FROM outcomes o WHERE o.backfill_number = $1 AND o.position = wanted.position) IS NULL
       ) item
 WHERE status = ANY($4::text[])
   AND ($5::text IS NULL OR error_class = $5)
 ORDER BY position
 LIMIT $3;

-- name: find_counters
-- What there is to find: of a status that counts zero nothing is asked. What nobody has touched lies behind the mark.
-- $1 backfill
SELECT low_water_mark, planned - succeeded - failed - skipped - cancelled - retrying AS pending,
       retrying, succeeded, failed, skipped, cancelled, rest_cancelled_at
  FROM backfill_progress
 WHERE backfill_number = $1;

-- name: find_item
-- $1 backfill   $2 entity id   $3 positions in flight
SELECT i.position, i.entity_id,
       CASE WHEN o.status IS NOT NULL THEN o.status::text
            WHEN i.position = ANY($3::integer[]) THEN 'in_flight'
            WHEN r.position IS NOT NULL THEN 'retrying'
            WHEN /* part: rest_cancelled_at */ IS NOT NULL THEN 'cancelled'
            ELSE 'pending' END AS status,
       coalesce(o.attempts, r.tries, 0) AS attempts,
       coalesce(o.started_at, r.first_started_at) AS started_at,
       coalesce(o.finished_at, CASE WHEN r.position IS NULL THEN /* part: rest_cancelled_at */ END) AS finished_at, o.message, o.result, o.credits, o.skip_reason,
       coalesce(o.error_class, r.error_class) AS error_class, coalesce(o.error, r.error) AS error,
       o.http_status, r.next_attempt_at
  FROM plan_items i
  LEFT JOIN LATERAL (SELECT * FROM outcomes WHERE backfill_number = $1 AND position = i.position OFFSET 0) o ON true
  LEFT JOIN LATERAL (SELECT * FROM retries WHERE backfill_number = $1 AND position = i.position OFFSET 0) r ON true
 WHERE i.backfill_number + 0 = $1 AND i.entity_id = $2;

-- name: find_attributes
-- $1 backfill   $2 position
SELECT attributes FROM plan_items WHERE backfill_number = $1 AND position = $2;

-- name: find_usual_seconds
-- How long the last of the items took that were started before one; those that the plan left out took nothing.
-- $1 backfill   $2 position   $3 outcomes looked at   $4 fewest that tell something
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM o.finished_at - o.started_at))
  FROM (SELECT started_at, finished_at
          FROM outcomes
         WHERE backfill_number = $1 AND position < $2
         ORDER BY position DESC
         LIMIT $3) AS o
 WHERE o.started_at IS NOT NULL AND o.finished_at IS NOT NULL
HAVING count(*) >= $4;

-- name: list_elsewhere
-- The same entity in other backfills of the same workflow, newest first, of the newest that there are.
-- $1 backfill   $2 entity id   $3 how many backfills are looked at   $4 how many are told
SELECT b.id AS backfill_id, b.name, b.created_at,
       CASE WHEN o.status IS NOT NULL THEN o.status::text
            WHEN r.position IS NOT NULL THEN 'retrying'
            WHEN b.rest_cancelled_at IS NOT NULL THEN 'cancelled'
            ELSE 'pending' END AS status,
       coalesce(o.finished_at, b.rest_cancelled_at) AS finished_at, coalesce(o.error_class, r.error_class) AS error_class
  FROM (SELECT other.number, other.id, other.name, other.created_at, p.rest_cancelled_at
          FROM backfills AS other
          JOIN backfill_progress AS p ON p.backfill_number = other.number
          JOIN backfills AS own ON own.number = $1 AND own.workflow_id = other.workflow_id
                               AND own.entity_type IS NOT DISTINCT FROM other.entity_type
         WHERE other.number <> $1
         ORDER BY other.number DESC
         LIMIT $3) AS b
 CROSS JOIN LATERAL (SELECT position FROM plan_items
                      WHERE backfill_number + 0 = b.number AND entity_id = $2 OFFSET 0) AS i
  LEFT JOIN LATERAL (SELECT * FROM outcomes WHERE backfill_number = b.number AND position = i.position OFFSET 0) AS o
       ON true
  LEFT JOIN LATERAL (SELECT * FROM retries WHERE backfill_number = b.number AND position = i.position OFFSET 0) AS r
       ON true
 ORDER BY b.number DESC
 LIMIT $4;

-- name: list_tries
-- $1 backfill   $2 position
SELECT attempt, started_at, finished_at, error_class, error, http_status
  FROM tries
 WHERE backfill_number = $1 AND position = $2
 ORDER BY attempt;

-- name: list_succeeded_ids
-- $1 backfill
SELECT o.position, i.entity_id
  FROM (SELECT position
          FROM outcomes
         WHERE backfill_number = $1 AND status = 'succeeded'
         ORDER BY position
        OFFSET 0) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_unusual_ids
-- $1 backfill   $2 status
SELECT o.position, i.entity_id
  FROM (SELECT position
          FROM outcomes
         WHERE backfill_number + 0 = $1 AND status IN ('skipped', 'cancelled') AND status = $2::text::outcome_status
         ORDER BY position
        OFFSET 0) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_rest_ids
-- What was cancelled with the rest, and has no row: all of it lies behind the mark.
-- $1 backfill
SELECT i.position, i.entity_id
  FROM backfill_progress AS p
 CROSS JOIN LATERAL (
       SELECT position, entity_id
         FROM plan_items
        WHERE backfill_number = $1 AND position >= p.low_water_mark
        ORDER BY position
       OFFSET 0) AS i
 WHERE p.backfill_number = $1 AND p.rest_cancelled_at IS NOT NULL
   AND (SELECT o.position FROM outcomes AS o WHERE o.backfill_number = $1 AND o.position = i.position) IS NULL
 ORDER BY i.position;

-- name: list_failed_ids
-- $1 backfill
SELECT o.position, i.entity_id
  FROM (SELECT position
          FROM outcomes
         WHERE backfill_number = $1 AND status = 'failed'
         ORDER BY position
        OFFSET 0) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_failed_ids_of_class
-- $1 backfill   $2 error class
SELECT o.position, i.entity_id
  FROM (SELECT position
          FROM outcomes
         WHERE backfill_number + 0 = $1 AND error_class = $2
         ORDER BY position
        OFFSET 0) o
 /* part: entity */
 ORDER BY o.position;

-- name: list_failed_ids_of_group
-- $1 backfill   $2 fingerprint   $3 error class (null: any)
SELECT o.position, i.entity_id
  FROM (SELECT position
          FROM outcomes
         WHERE backfill_number + 0 = $1 AND fingerprint = $2
           AND ($3::text IS NULL OR error_class = $3)
         ORDER BY position
        OFFSET 0) o
 /* part: entity */
 ORDER BY o.position;

-- name: count_failed
-- $1 backfill
SELECT failed FROM backfill_progress WHERE backfill_number = $1;

-- name: count_failed_of_class
-- $1 backfill   $2 error class
SELECT count(*) FROM outcomes WHERE backfill_number + 0 = $1 AND error_class = $2;

-- name: count_failed_of_group
-- $1 backfill   $2 fingerprint   $3 error class (null: any)
SELECT count(*)
  FROM outcomes
 WHERE backfill_number + 0 = $1 AND fingerprint = $2 AND ($3::text IS NULL OR error_class = $3);

-- name: list_ended_among
-- $1 backfill   $2 error class   $3 only these ids, each once   $4 statuses   $5 fingerprint
SELECT wanted.entity_id
  FROM unnest($3::text[]) AS wanted (entity_id)
 CROSS JOIN LATERAL (
       SELECT position FROM plan_items WHERE backfill_number + 0 = $1 AND entity_id = wanted.entity_id OFFSET 0) i
  LEFT JOIN LATERAL (
       SELECT status, error_class, fingerprint FROM outcomes WHERE backfill_number = $1 AND position = i.position OFFSET 0) o
    ON true
 WHERE coalesce(o.status::text, CASE WHEN /* part: rest_cancelled_at */ IS NOT NULL THEN 'cancelled' END) = ANY ($4::text[])
   AND ($2::text IS NULL OR o.error_class = $2)
   AND ($5::bytea IS NULL OR o.fingerprint = $5)
 ORDER BY i.position;

-- name: list_planned_ids
-- Which of some ids the plan holds.
-- $1 backfill   $2 ids
SELECT i.entity_id
  FROM unnest($2::text[]) AS wanted (entity_id)
 CROSS JOIN LATERAL (
       SELECT entity_id FROM plan_items WHERE backfill_number + 0 = $1 AND entity_id = wanted.entity_id OFFSET 0) AS i;

-- name: count_run_before
-- How entities ended last under a workflow, counted by outcome.
-- $1 workflow   $2 entity type   $3 entity ids
SELECT last.status::text AS status, count(*) AS entities
  FROM (SELECT DISTINCT unnest($3::text[]) AS entity_id) AS wanted
 CROSS JOIN LATERAL (
       SELECT l.status
         FROM last_runs AS l
        WHERE l.workflow_id = $1 AND l.entity_type = $2 AND l.entity_id = wanted.entity_id
       OFFSET 0) AS last
 GROUP BY last.status;

-- name: count_run_at_all
-- The same for every entity of a type. A statement of its own: "or null" would read them all for a few ids, too.
-- $1 workflow   $2 entity type
SELECT status::text AS status, count(*) AS entities
  FROM last_runs
 WHERE workflow_id = $1 AND entity_type = $2
 GROUP BY status;

-- name: list_retry_classes
-- How those failed that wait for another try, the commonest first, with the fewest and most tries that count of those
-- that failed so. Of very many, the first ones stand for all.
-- $1 backfill   $2 how many
SELECT error_class, min(counted) AS fewest, max(counted) AS most
  FROM (SELECT error_class, counted FROM retries WHERE backfill_number = $1 LIMIT 10000) AS waiting
 GROUP BY error_class
 ORDER BY count(*) DESC, error_class
 LIMIT $2;

-- name: list_error_classes
-- From one class to the next, and not through all failures.
-- $1 backfill   $2 how many
WITH RECURSIVE class AS (
    (SELECT error_class
       FROM outcomes
      WHERE backfill_number + 0 = $1 AND error_class IS NOT NULL
      ORDER BY error_class
      LIMIT 1)
     UNION ALL
    SELECT next.error_class
      FROM class
     CROSS JOIN LATERAL (
           SELECT error_class
             FROM outcomes
            WHERE backfill_number + 0 = $1 AND error_class > class.error_class
            ORDER BY error_class
            LIMIT 1) AS next
)
SELECT error_class FROM class LIMIT $2;
