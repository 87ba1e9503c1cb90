-- name: take_attempt
-- The oldest attempt outside of backfills that may start now, with its lease. Taking and fencing are one statement; the
-- database's clock decides whether a lease is over, and only that. A lease of an earlier process of the same instance
-- is over, too: an instance has one process at a time, so the earlier one is dead.
-- A try that was under way then is one that the process may have died of: it is repeated, in a first round, or in the second
-- one if that happens again before it is heard of. If it stood alone then, it is charged an interruption.
-- The stop order is locked: it is seen here, or whoever gives it sees this lease.
-- A retry that is further off than any wait was put there by a clock that has been set back since, and is due.
-- $1 instance   $2 process   $3 length   $4 now   $5 the last round of which it may be (0: it is not repeated)
-- $6 the longest wait
WITH due AS MATERIALIZED (
    SELECT a.id, a.running_since IS NOT NULL AS was_under_way,
           a.running_since IS NOT NULL AND a.stood_alone AS is_charged
      FROM attempts AS a
      JOIN workflows AS w ON w.id = a.workflow_id
     WHERE a.finished_at IS NULL AND a.backfill_number IS NULL AND a.cancel_requested_at IS NULL AND w.enabled
       AND (a.next_attempt_at IS NULL OR a.next_attempt_at <= $4 OR a.next_attempt_at > $4 + $6)
       AND (a.holder IS NULL OR a.lease_until <= clock_timestamp()
            OR (split_part(a.holder, '/', 1) = $1 AND a.holder <> $1 || '/' || $2))
       AND least(a.repeat_round + (a.running_since IS NOT NULL)::integer, 2) <= $5::integer
     ORDER BY a.id
     LIMIT 1
       FOR UPDATE OF a SKIP LOCKED
), stop AS MATERIALIZED (
    SELECT version, stopped, by, why, since FROM stop_order FOR SHARE
), taken AS (
    UPDATE attempts AS a
       SET holder = $1 || '/' || $2, fence = a.fence + 1, lease_until = clock_timestamp() + $3,
           obeys_stop = stop.version, next_attempt_at = NULL, running_since = NULL,
           repeat_round = least(a.repeat_round + due.was_under_way::integer, 2), stood_alone = false,
           interruptions = a.interruptions + due.is_charged::integer, in_doubt = a.in_doubt OR due.was_under_way
      FROM due, stop
     WHERE a.id = due.id
    RETURNING a.*, due.was_under_way, due.is_charged
)
SELECT t.id AS attempt_id, t.index, t.name, t.params, t.project_id, t.timezone, t.session_id, s.uuid AS session_uuid,
       s.session_time, t.workflow_id, w.name AS workflow_name,
       (SELECT p.name FROM projects AS p WHERE p.id = w.project_id) AS project_name, t.revision_id, r.definition, t.fence, t.tries, t.counted,
       t.interruptions, t.was_under_way, t.is_charged, t.repeat_round, t.started_at, t.last_failed_at,
       t.in_doubt, t.unknown_since,
       stop.version, stop.stopped, stop.by, stop.why, stop.since
  FROM taken AS t
  -- one row, whatever is thought of how many were taken: the table is not to be read whole
 CROSS JOIN LATERAL (SELECT uuid, session_time FROM sessions WHERE id = t.session_id LIMIT 1) AS s
  JOIN workflows AS w ON w.id = t.workflow_id
  JOIN revisions AS r ON r.id = t.revision_id
 CROSS JOIN stop;

-- name: begin_try
-- Before anything is sent, so that whoever comes after a dead process knows what was under way. No row: it may not
-- start any more.
-- $1 attempt   $2 fence   $3 at   $4 nothing else that may have been started before is in flight beside it
UPDATE attempts AS a
   SET running_since = $3, stood_alone = $4, started_at = coalesce(a.started_at, $3)
  FROM workflows AS w
 WHERE a.id = $1 AND a.fence = $2 AND a.finished_at IS NULL AND a.cancel_requested_at IS NULL
   AND w.id = a.workflow_id AND w.enabled
RETURNING a.id;

-- name: not_alone
-- $1 attempt   $2 fence
UPDATE attempts SET stood_alone = false WHERE id = $1 AND fence = $2;

-- name: renew_attempts
-- While its fence stands the holder may renew, even after expiry: expiry only lets others in.
-- $1 attempts   $2 fences   $3 length   $4 version of the stop order that the holder obeys
UPDATE attempts AS a
   SET lease_until = clock_timestamp() + $3, obeys_stop = greatest(a.obeys_stop, $4)
  FROM unnest($1::bigint[], $2::bigint[]) AS held (id, fence), stop_order AS stop
 WHERE a.id = held.id AND a.fence = held.fence AND a.holder IS NOT NULL
RETURNING a.id, a.cancel_requested_at IS NOT NULL AS is_killed, stop.*;

-- name: obey_stop
-- $1 attempts   $2 fences   $3 version
UPDATE attempts AS a
   SET obeys_stop = greatest(a.obeys_stop, $3)
  FROM unnest($1::bigint[], $2::bigint[]) AS held (id, fence)
 WHERE a.id = held.id AND a.fence = held.fence AND a.holder IS NOT NULL;

-- name: list_killed
-- $1 attempts
SELECT id FROM attempts WHERE id = ANY ($1::bigint[]) AND cancel_requested_at IS NOT NULL;

-- name: rest_attempt
-- Nothing is under way any more, and it is nobody's. After a try that was not final it says how many there were.
-- $1 attempt   $2 fence   $3 next attempt, or null   $4 tries   $5 counted   $6 at   $7 log, or null
-- $8 when the try failed, or null   $9 in doubt   $10 unknown since
WITH rested AS (
    UPDATE attempts
       SET holder = NULL, lease_until = NULL, running_since = NULL, next_attempt_at = $3, tries = $4, counted = $5,
           waits_since = CASE WHEN $3::timestamptz IS NOT NULL THEN $6::timestamptz END,
           repeat_round = CASE WHEN $8::timestamptz IS NULL THEN repeat_round ELSE 0 END,  -- it was heard of
           last_failed_at = coalesce($8, last_failed_at), in_doubt = $9, unknown_since = $10
     WHERE id = $1 AND fence = $2 AND finished_at IS NULL
    RETURNING id, tries
)
INSERT INTO attempt_logs (attempt_id, try, finished_at, content)
SELECT id, tries, $6, $7::text FROM rested WHERE $7::text IS NOT NULL
ON CONFLICT (attempt_id, try) DO NOTHING;

-- name: take_back_charge
-- Whoever took it over counted a death that was none: the earlier holder was only cut off.
-- $1 attempt   $2 fence that has fallen
UPDATE attempts
   SET interruptions = interruptions - 1
 WHERE id = $1 AND fence > $2 AND interruptions > 0 AND finished_at IS NULL;

-- name: finish_attempt
-- Once: the fence and the missing end guard it, so that repeating it after a commit of unknown result writes nothing.
-- $1 attempt   $2 fence   $3 at   $4 succeeded   $5 killed   $6 tries   $7 message   $8 result   $9 credits
-- $10 error class   $11 error   $12 HTTP status   $13 log, or null
WITH finished AS (
    UPDATE attempts
       SET finished_at = $3, succeeded = $4, tries = $6, counted = least(counted, $6),
           cancel_requested_at = CASE WHEN $5 THEN coalesce(cancel_requested_at, $3) ELSE cancel_requested_at END,
           holder = NULL, lease_until = NULL, running_since = NULL, next_attempt_at = NULL,
           message = $7, result = $8::json, credits = $9, error_class = $10, error = $11, http_status = $12
     WHERE id = $1 AND fence = $2 AND finished_at IS NULL
    RETURNING id, tries
)
INSERT INTO attempt_logs (attempt_id, try, finished_at, content)
SELECT id, tries, $3, $13::text FROM finished WHERE $13::text IS NOT NULL AND tries > 0
ON CONFLICT (attempt_id, try) DO NOTHING;

-- name: kill_overdue
-- $1 made before   $2 at
UPDATE attempts
   SET cancel_requested_at = $2
 WHERE finished_at IS NULL AND backfill_number IS NULL AND cancel_requested_at IS NULL AND created_at < $1;

-- name: end_unheld
-- Nobody runs these, so nobody else ends them: those that somebody wants to be killed, and those whose workflow or
-- project is gone.
-- $1 at   $2 instance   $3 process
UPDATE attempts AS a
   SET finished_at = $1, holder = NULL, lease_until = NULL, running_since = NULL, next_attempt_at = NULL,
       error_class = CASE WHEN a.cancel_requested_at IS NULL THEN 'workflow_deleted' END,
       error = CASE WHEN a.cancel_requested_at IS NULL THEN 'its workflow was deleted before it could run' END
  FROM workflows AS w JOIN projects AS p ON p.id = w.project_id
 WHERE a.finished_at IS NULL AND a.backfill_number IS NULL AND w.id = a.workflow_id
   AND (a.cancel_requested_at IS NOT NULL OR w.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL)
   AND (a.holder IS NULL OR a.lease_until <= clock_timestamp()
        OR (split_part(a.holder, '/', 1) = $2 AND a.holder <> $2 || '/' || $3));

-- name: next_look
-- When a retry falls due, whether something is due that this process does not hold, and whether something waits since a
-- moment that is still to come.
-- $1 now   $2 holder   $3 the longest wait   $4 how far ahead is nothing unusual
SELECT min(a.next_attempt_at) FILTER (WHERE a.next_attempt_at > $1 AND a.next_attempt_at <= $1 + $3) AS wake_at,
       coalesce(bool_or(a.holder IS DISTINCT FROM $2
                        AND (coalesce(a.next_attempt_at, $1) <= $1 OR a.next_attempt_at > $1 + $3)), false) AS waits,
       coalesce(bool_or(a.next_attempt_at > $1
                        AND coalesce(a.waits_since, a.last_failed_at) > $1 + $4), false) AS waits_from_ahead
  FROM attempts AS a
  JOIN workflows AS w ON w.id = a.workflow_id
 WHERE a.finished_at IS NULL AND a.backfill_number IS NULL AND w.enabled;

-- name: wait_anew
-- What waits since a moment that is still to come: the wall clock was set back since, and each would wait for so much longer.
-- They wait as long as they were meant to, from now on.
-- $1 now   $2 how far ahead is nothing unusual
UPDATE attempts
   SET next_attempt_at = $1 + (next_attempt_at - coalesce(waits_since, last_failed_at)), waits_since = $1,
       last_failed_at = least(last_failed_at, $1)
 WHERE finished_at IS NULL AND backfill_number IS NULL AND next_attempt_at > $1
   AND coalesce(waits_since, last_failed_at) > $1::timestamptz + $2::interval;

-- name: count_waiting
-- What nobody is at: what waits for its turn, its next try, or its workflow.
SELECT count(*) FROM attempts WHERE finished_at IS NULL AND backfill_number IS NULL AND running_since IS NULL;
