-- name: find_last_error
-- What an item that waits for its next try failed with last.
-- $1 backfill   $2 position
SELECT r.error_class, r.error, t.http_status
  FROM retries AS r
  LEFT JOIN tries AS t ON t.backfill_number = r.backfill_number AND t.position = r.position AND t.attempt = r.tries
 WHERE r.backfill_number = $1 AND r.position = $2;

-- name: read_retries
-- Items whose next try is due, longest waiting first. Whoever reads them may start them at any moment, so the same
-- statement says under which fence; one that a dead owner took, and nobody has come to yet, keeps that one's. Their page
-- is cut before anything is looked up of them.
-- $1 backfill   $2 fence   $3 now   $4 positions that are taken already   $5 how many
WITH taken AS (
    -- by their keys: a join with so many of about one row may go through all that wait, for each of them
    UPDATE retries AS r
       SET taken_fence = COALESCE(r.taken_fence, $2)
     WHERE r.backfill_number = $1
       AND r.position = ANY (ARRAY(
               SELECT position
                 FROM retries
                WHERE backfill_number + 0 = $1 AND next_attempt_at <= $3 AND position <> ALL ($4::integer[])
                ORDER BY next_attempt_at
                LIMIT $5))
    RETURNING r.*
)
SELECT r.position, i.entity_id, i.attributes, r.tries, r.counted, r.interruptions, r.first_started_at, r.last_failed_at,
       r.in_doubt OR r.taken_fence <> $2 AS in_doubt, r.unknown_since
  FROM taken AS r
 CROSS JOIN LATERAL (
       SELECT entity_id, attributes FROM plan_items WHERE backfill_number = $1 AND position = r.position OFFSET 0) AS i
 ORDER BY r.next_attempt_at, r.position;

-- name: next_retry
-- When the next retry falls due of those that are not taken already.
-- $1 backfill   $2 positions that are taken
SELECT next_attempt_at
  FROM retries
 WHERE backfill_number + 0 = $1 AND position <> ALL ($2::integer[])
 ORDER BY next_attempt_at
 LIMIT 1;

-- name: wait_anew
-- Retries that failed in the future: the wall clock was set back since, and each would wait for so much longer. They wait
-- as long as they were meant to, from now on. Whether there are any is asked of the first that falls due: those with the
-- right time come before them, and have their turn.
-- $1 backfill   $2 fence   $3 now   $4 how far ahead is nothing unusual
UPDATE retries AS r
   SET next_attempt_at = $3 + (r.next_attempt_at - r.last_failed_at), last_failed_at = $3
  FROM backfill_progress AS p
 WHERE p.backfill_number = $1 AND p.fence = $2
   AND r.backfill_number = $1 AND r.last_failed_at > $3::timestamptz + $4::interval
   AND (SELECT first.last_failed_at FROM retries AS first
         WHERE first.backfill_number + 0 = $1 ORDER BY first.next_attempt_at LIMIT 1) > $3::timestamptz + $4::interval;

-- name: has_unfinished
-- Whether anything in the plan has no outcome yet. Asked once, before a backfill ends.
-- $1 backfill
SELECT planned - succeeded - failed - skipped - cancelled > 0 FROM backfill_progress WHERE backfill_number = $1;

-- name: most_common_failure
-- Of the last failures the most frequent group: its class, some of its messages, and how many there are.
-- $1 backfill   $2 how many are the last   $3 how many messages
SELECT min(error_class) AS error_class, count(*) AS times,
       (array_agg(error ORDER BY position) FILTER (WHERE error IS NOT NULL))[1:$3] AS errors
  FROM (SELECT position, fingerprint, error_class, error
          FROM outcomes
         WHERE backfill_number = $1 AND status = 'failed'
         ORDER BY position DESC
         LIMIT $2) AS last
 WHERE fingerprint IS NOT NULL
 GROUP BY fingerprint
 ORDER BY times DESC, min(position)
 LIMIT 1;

-- name: note_start
-- $1 backfill   $2 fence   $3 when
UPDATE backfill_progress SET started_at = $3 WHERE backfill_number = $1 AND fence = $2 AND started_at IS NULL;

-- name: cancel_retries
-- What had been tried ends cancelled with its tries, so many at a time; the items in flight have ended by now.
-- $1 backfill   $2 fence   $3 how many (null: all)   $4 now
WITH owned AS (
    SELECT backfill_number FROM backfill_progress WHERE backfill_number = $1 AND fence = $2 FOR NO KEY UPDATE
), over AS (
    DELETE FROM retries
     WHERE backfill_number = $1
       AND position = ANY (ARRAY(SELECT position FROM retries WHERE backfill_number = $1 ORDER BY position LIMIT $3))
       AND EXISTS (SELECT FROM owned)
    RETURNING position, tries, first_started_at
), written AS (
    INSERT INTO outcomes AS o (backfill_number, position, status, started_at, finished_at, attempts)
    SELECT $1, position, 'cancelled', first_started_at, $4, tries FROM over
    ON CONFLICT (backfill_number, position) DO NOTHING
    RETURNING o.backfill_number
)
UPDATE backfill_progress AS p
   SET cancelled = p.cancelled + (SELECT count(*) FROM written), retrying = p.retrying - (SELECT count(*) FROM over)
  FROM owned
 WHERE p.backfill_number = owned.backfill_number
RETURNING (SELECT count(*) FROM over) AS ended;

-- name: cancel_rest
-- In the same transaction as the last of these: everything else without an outcome is cancelled from now on, and needs no row that says so.
-- $1 backfill   $2 fence   $3 now
UPDATE backfill_progress
   SET cancelled = planned - succeeded - failed - skipped, rest_cancelled_at = coalesce(rest_cancelled_at, $3)
 WHERE backfill_number = $1 AND fence = $2;
