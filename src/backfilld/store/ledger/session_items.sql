-- name: read_items
-- What the owner of a backfill must know of some of its sessions, as they are now.
-- $1 backfill   $2 entity ids
SELECT i.entity_id, a.id AS attempt_id, a.index, a.name, a.params, a.project_id, a.timezone, a.session_id,
       s.uuid AS session_uuid, s.session_time
  FROM unnest($2::text[]) AS wanted (entity_id)
 CROSS JOIN LATERAL (
       SELECT position, entity_id
         FROM plan_items
        WHERE backfill_number + 0 = $1 AND entity_id = wanted.entity_id
       OFFSET 0) AS i
 CROSS JOIN LATERAL (SELECT * FROM attempts WHERE backfill_number = $1 AND position = i.position OFFSET 0) AS a
 CROSS JOIN LATERAL (SELECT uuid, session_time FROM sessions WHERE id = a.session_id OFFSET 0) AS s;

-- name: note_running
-- Under the fence, so that nobody is told of a try that is not the owner's; and never after the end of that try.
-- $1 backfill   $2 fence   $3 position   $4 at   $5 which try
UPDATE attempts AS a
   SET running_since = $4, started_at = coalesce(a.started_at, $4)
  FROM backfill_progress AS p
 WHERE p.backfill_number = $1 AND p.fence = $2
   AND a.backfill_number = $1 AND a.position = $3 AND a.finished_at IS NULL AND a.tries < $5;

-- name: find_unfinished_before
-- An attempt that the session before this one in the plan still has, of this backfill or made by hand: the chain waits
-- for it. Other backfills are chains of their own, and may be paused for days.
-- $1 backfill   $2 position
SELECT other.id
  FROM attempts AS a
  JOIN attempts AS other ON other.session_id = a.session_id AND other.finished_at IS NULL
                           AND (other.backfill_number IS NULL OR other.backfill_number = $1)
 WHERE a.backfill_number = $1 AND a.position = $2 - 1
 LIMIT 1;

-- name: list_killed
-- $1 backfill
SELECT position FROM attempts WHERE backfill_number = $1 AND finished_at IS NULL AND cancel_requested_at IS NOT NULL;

-- name: finish_attempts
-- The attempts of outcomes that were written a moment ago, in the same transaction. One that has finished already keeps
-- its end, as its outcome does.
-- $1 backfill   $2 position   $3 log (one of each per outcome)
WITH ended AS (
    UPDATE attempts AS a
       SET finished_at = o.finished_at,
           succeeded = o.status IN ('succeeded', 'skipped'),
           cancel_requested_at = CASE WHEN o.status = 'cancelled' THEN coalesce(a.cancel_requested_at, o.finished_at)
                                      ELSE a.cancel_requested_at END,
           started_at = coalesce(a.started_at, o.started_at), running_since = NULL, next_attempt_at = NULL,
           tries = o.attempts, message = o.message, result = o.result, credits = o.credits,
           error_class = o.error_class, error = o.error, http_status = o.http_status
      FROM unnest($1::bigint[], $2::integer[], $3::text[]) AS g (backfill_number, position, log)
     -- each by its key: the index of those that wait passes for empty as long as nobody has analyzed it
     CROSS JOIN LATERAL (
           SELECT * FROM outcomes WHERE backfill_number = g.backfill_number AND position = g.position OFFSET 0) AS o
     CROSS JOIN LATERAL (
           SELECT id FROM attempts WHERE backfill_number = g.backfill_number AND position = g.position OFFSET 0) AS found
     WHERE a.id = found.id AND a.finished_at IS NULL
    RETURNING a.id, a.tries, a.finished_at, g.log
)
INSERT INTO attempt_logs (attempt_id, try, finished_at, content)
SELECT id, tries, finished_at, log FROM ended WHERE log IS NOT NULL AND tries > 0
ON CONFLICT (attempt_id, try) DO NOTHING;

-- name: rest_attempts
-- Tries that were not final: their attempts wait for the next one.
-- $1 backfill   $2 position   $3 try   $4 next attempt   $5 finished   $6 log (one of each per try)
WITH tried AS (
    UPDATE attempts AS a
       SET running_since = NULL, tries = greatest(a.tries, g.try), next_attempt_at = g.next_attempt_at
      FROM unnest($1::bigint[], $2::integer[], $3::smallint[], $4::timestamptz[], $5::timestamptz[], $6::text[])
           AS g (backfill_number, position, try, next_attempt_at, finished_at, log)
     CROSS JOIN LATERAL (
           SELECT id FROM attempts WHERE backfill_number = g.backfill_number AND position = g.position OFFSET 0) AS found
     WHERE a.id = found.id AND a.finished_at IS NULL
    RETURNING a.id, g.try, g.finished_at, g.log
)
INSERT INTO attempt_logs (attempt_id, try, finished_at, content)
SELECT id, try, finished_at, log FROM tried WHERE log IS NOT NULL
ON CONFLICT (attempt_id, try) DO NOTHING;

-- name: cancel_attempts
-- The attempts of what a cancel ends. Nothing is in flight any more: whatever has not finished is one of them.
-- $1 backfill   $2 now
UPDATE attempts
   SET finished_at = $2, cancel_requested_at = coalesce(cancel_requested_at, $2), running_since = NULL, next_attempt_at = NULL
 WHERE backfill_number = $1 AND finished_at IS NULL;

-- name: lock_backfill
-- Whoever takes the lease, or records, comes before this or after it; locked in their order.
-- $1 backfill
WITH settings AS MATERIALIZED (
    SELECT number FROM backfills WHERE number = $1 FOR NO KEY UPDATE
)
SELECT p.backfill_number
  FROM settings
  JOIN backfill_progress AS p ON p.backfill_number = settings.number
   FOR NO KEY UPDATE OF p;

-- name: request_kill
-- No row: it has finished.
-- $1 attempt   $2 at
UPDATE attempts
   SET cancel_requested_at = coalesce(cancel_requested_at, $2)
 WHERE id = $1 AND finished_at IS NULL
RETURNING position, cancel_requested_at = $2 AS is_first;

-- name: tell_owner
-- $1 backfill
SELECT pg_notify('backfilld', number || ' ' || version) FROM backfills WHERE number = $1;

-- name: end_killed
-- Nobody holds the lease, so nobody else ends it.
-- $1 backfill   $2 position   $3 at
WITH over AS (
    DELETE FROM retries WHERE backfill_number = $1 AND position = $2 RETURNING tries, first_started_at
), written AS (
    INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts)
    SELECT $1, $2, 'cancelled', (SELECT first_started_at FROM over), $3, coalesce((SELECT tries FROM over), 0)
    ON CONFLICT (backfill_number, position) DO NOTHING
    RETURNING backfill_number
)
UPDATE backfill_progress
   SET cancelled = cancelled + (SELECT count(*) FROM written),
       retrying = retrying - (SELECT count(*) FROM over),
       -- what is settled without having been handed out hides nothing that was
       hand_out_limit = hand_out_limit + (SELECT count(*) FROM written) - (SELECT count(*) FROM over)
 WHERE backfill_number = $1;

-- name: wake
-- What waited for the retry of a session that has ended, or shall, need not wait any more; and an owner that is just
-- leaving is followed by another, who sees to the end.
-- $1 backfill
UPDATE backfills SET wake_at = NULL WHERE number = $1 AND status = 'waiting';

-- name: find_owner
-- $1 backfill
SELECT holder FROM leases WHERE backfill_number = $1 AND NOT released AND expires_at > clock_timestamp();
