-- name: record_outcomes
-- Final outcomes of any number of backfills, their counters and low-water marks, in one statement.
-- A batch that is repeated after a COMMIT of unknown result writes no row, and so counts nothing.
-- $1 backfills   $2 fences   $3 marks   $4 items a second   $5 limits of handing out (one of each per backfill)   $6 now
-- $7 backfill   $8 position   $9 status   $10 started, $11 finished: so many microseconds before $6   $12 attempts
-- $13 http status   $14 message   $15 result   $16 credits   $17 error class   $18 error   $19 skip reason
-- $20 had a retry row   (one of each per outcome)
-- $21 counts of failures (one of each per backfill)   $22 fingerprint (one of each per outcome)
-- $23 the http status of all of them, where they have the same
-- Every list of these but $8, $10, $11 and $21 may be NULL, which stands for the usual in all of them: the one backfill, a
-- success at the first attempt, and nothing else to tell. Lists of numbers that are long and always there come as text.
WITH given AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::double precision[], $5::integer[], $21::text[])
        AS g (backfill_number, fence, mark, throughput, hand_out_limit, failure_counts)
), owned AS MATERIALIZED (
    -- locked in order, so that two recorders cannot block each other; a new owner's fence shuts us out
    SELECT p.backfill_number
      FROM backfill_progress AS p
      JOIN given AS g ON g.backfill_number = p.backfill_number AND g.fence = p.fence
     ORDER BY p.backfill_number
       FOR NO KEY UPDATE OF p
), ended AS (
    SELECT owned.backfill_number, r.position, COALESCE(r.status, 'succeeded') AS status,
           $6::timestamptz - r.started * interval '1 microsecond' AS started_at,
           $6::timestamptz - r.finished * interval '1 microsecond' AS finished_at,
           COALESCE(r.attempts, 1) AS attempts, COALESCE(r.http_status, $23::smallint) AS http_status, r.message, r.result,
           r.credits, r.error_class, r.error, r.skip_reason, r.had_retry, r.fingerprint
      FROM unnest($7::bigint[], $8::text::integer[], $9::text[], $10::text::bigint[], $11::text::bigint[], $12::smallint[],
                  $13::smallint[], $14::text[], $15::text[], $16::numeric[], $17::text[], $18::text[], $19::text[],
                  $20::boolean[], $22::bytea[])
        AS r (backfill_number, position, status, started, finished, attempts, http_status, message,
              result, credits, error_class, error, skip_reason, had_retry, fingerprint)
      JOIN owned ON owned.backfill_number = COALESCE(r.backfill_number, ($1::bigint[])[1])
), written AS (
    INSERT INTO outcomes AS o (backfill_number, position, status, started_at, finished_at, attempts, http_status, message,
                               result, credits, error_class, error, skip_reason, fingerprint)
    SELECT backfill_number, position, status::outcome_status, started_at, finished_at, attempts, http_status, message,
           result::json, credits, error_class, error, skip_reason, fingerprint
      FROM ended
    ON CONFLICT (backfill_number, position) DO NOTHING
    RETURNING o.backfill_number, o.status, o.credits
), over AS (
    DELETE FROM retries AS r
     USING ended AS e
     WHERE e.had_retry AND r.backfill_number = e.backfill_number AND r.position = e.position
    RETURNING r.backfill_number
), counted AS (
    SELECT backfill_number,
           count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE status = 'failed')    AS failed,
           count(*) FILTER (WHERE status = 'skipped')   AS skipped,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
           COALESCE(sum(credits), 0)                    AS credits,
           max(credits)                                 AS highest_credits
      FROM written
     GROUP BY backfill_number
), no_longer_waiting AS (
    SELECT backfill_number, count(*) AS retries FROM over GROUP BY backfill_number
)
UPDATE backfill_progress AS p
   SET succeeded        = p.succeeded + COALESCE(c.succeeded, 0),
       failed           = p.failed    + COALESCE(c.failed, 0),
       skipped          = p.skipped   + COALESCE(c.skipped, 0),
       cancelled        = p.cancelled + COALESCE(c.cancelled, 0),
       credits_used     = p.credits_used + COALESCE(c.credits, 0),
       highest_credits  = GREATEST(p.highest_credits, c.highest_credits),
       retrying         = p.retrying - COALESCE(n.retries, 0),
       low_water_mark   = GREATEST(p.low_water_mark, g.mark),
       hand_out_limit   = GREATEST(p.hand_out_limit, g.hand_out_limit),
       throughput       = g.throughput,
       failure_counts   = COALESCE(g.failure_counts::json, p.failure_counts),
       last_recorded_at = $6
  FROM given AS g
  JOIN owned USING (backfill_number)
  LEFT JOIN counted AS c USING (backfill_number)
  LEFT JOIN no_longer_waiting AS n USING (backfill_number)
 WHERE p.backfill_number = g.backfill_number
RETURNING p.backfill_number;

-- name: record_tries
-- Tries that were not final: each is kept, and its item waits in `retries` for the next.
-- $1 backfills   $2 fences (one of each per backfill)
-- $3 backfill   $4 position   $5 attempt   $6 counted   $7 started   $8 finished   $9 next attempt
-- $10 error class   $11 error   $12 http status   $13 in doubt   $14 unknown since (one of each per try)
WITH owned AS MATERIALIZED (
    SELECT p.backfill_number
      FROM backfill_progress AS p
      JOIN unnest($1::bigint[], $2::bigint[]) AS g (backfill_number, fence)
        ON g.backfill_number = p.backfill_number AND g.fence = p.fence
     ORDER BY p.backfill_number
       FOR NO KEY UPDATE OF p
), tried AS (
    SELECT r.*
      FROM unnest($3::bigint[], $4::integer[], $5::smallint[], $6::smallint[], $7::timestamptz[], $8::timestamptz[],
                  $9::timestamptz[], $10::text[], $11::text[], $12::smallint[], $13::boolean[], $14::timestamptz[])
        AS r (backfill_number, position, attempt, counted, started_at, finished_at, next_attempt_at,
              error_class, error, http_status, in_doubt, unknown_since)
      JOIN owned USING (backfill_number)
), kept AS (
    INSERT INTO tries (backfill_number, position, attempt, started_at, finished_at, error_class, error, http_status)
    SELECT backfill_number, position, attempt, started_at, finished_at, error_class, error, http_status FROM tried
    ON CONFLICT (backfill_number, position, attempt) DO NOTHING
), waiting AS (
    INSERT INTO retries AS w (backfill_number, position, tries, counted, next_attempt_at, first_started_at,
                              last_failed_at, error_class, error, in_doubt, unknown_since)
    SELECT backfill_number, position, attempt, counted, next_attempt_at, started_at, finished_at, error_class, error,
           in_doubt, unknown_since
      FROM tried
    ON CONFLICT (backfill_number, position) DO UPDATE
       SET tries = excluded.tries, counted = excluded.counted, next_attempt_at = excluded.next_attempt_at,
           last_failed_at = excluded.last_failed_at, error_class = excluded.error_class, error = excluded.error,
           in_doubt = excluded.in_doubt, unknown_since = excluded.unknown_since, taken_fence = NULL
    RETURNING w.backfill_number, (w.xmax = 0) AS is_new
), grown AS (
    SELECT backfill_number, count(*) FILTER (WHERE is_new) AS retries FROM waiting GROUP BY backfill_number
)
UPDATE backfill_progress AS p
   SET retrying = p.retrying + grown.retries,
       -- whoever stood alone and is heard of did not kill its process
       alone_position = CASE WHEN EXISTS (SELECT FROM tried AS t
                                           WHERE t.backfill_number = p.backfill_number AND t.position = p.alone_position)
                             THEN NULL ELSE p.alone_position END
  FROM grown
 WHERE p.backfill_number = grown.backfill_number
RETURNING p.backfill_number;

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
