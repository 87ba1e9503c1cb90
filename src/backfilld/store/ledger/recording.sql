-- Statements of the recorder: what ended goes in with its counters, what is to be tried again with its next try.
-- `record_outcomes` takes it that nothing of its batch is there yet, and fails as a whole where something is: looking for
-- each row first takes a quarter of the time, and a fifth of the log. So does `record_retried`, of which an item had a
-- retry row; `record_missing` is for a batch of which something is there. All have the same parameters:
-- $1 backfills   $2 fences   $3 marks   $4 items a second   $5 limits of handing out (one of each per backfill)   $6 now
-- $7 backfill   $8 position   $9 status   $10 started, $11 finished: so many microseconds before $6   $12 attempts
-- $13 http status   $14 message   $15 result   $16 credits   $17 error class   $18 error   $19 skip reason
-- $20 fingerprint   (one of each per outcome)   $21 the http status of all of them, where they have the same
-- $22 counts of failures   $23 succeeded   $24 failed   $25 skipped   $26 cancelled   $27 credits   $28 most of an item
-- (one of each per backfill)
-- $29 backfill, $30 position (one of each per outcome that had a retry row; record_outcomes is not told)
-- Every list of these but $8, $10, $11 and $22 may be NULL, which stands for the usual in all of them: the one backfill, a
-- success at the first attempt, and nothing else to tell. Lists of numbers that are long and always there come as text.

-- part: owned
given AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::double precision[], $5::integer[], $22::text[],
                         $23::integer[], $24::integer[], $25::integer[], $26::integer[], $27::numeric[], $28::numeric[])
        AS g (backfill_number, fence, mark, throughput, hand_out_limit, failure_counts,
              succeeded, failed, skipped, cancelled, credits, highest_credits)
), owned AS MATERIALIZED (
    -- locked in order, so that two recorders cannot block each other; a new owner's fence shuts us out
    SELECT p.backfill_number
      FROM backfill_progress AS p
      JOIN given AS g ON g.backfill_number = p.backfill_number AND g.fence = p.fence
     ORDER BY p.backfill_number
       FOR NO KEY UPDATE OF p
)

-- part: insert_ended
INSERT INTO outcomes AS o (backfill_number, position, status, started_at, finished_at, attempts, http_status, message,
                               result, credits, error_class, error, skip_reason, fingerprint)
    SELECT owned.backfill_number, r.position, COALESCE(r.status::outcome_status, 'succeeded'),
           $6::timestamptz - r.started * interval '1 microsecond',
           $6::timestamptz - r.finished * interval '1 microsecond',
           COALESCE(r.attempts, 1::smallint), COALESCE(r.http_status, $21::smallint), r.message, r.result::json,
           r.credits, r.error_class, r.error, r.skip_reason, r.fingerprint
      FROM unnest($7::bigint[], $8::text::integer[], $9::text[], $10::text::bigint[], $11::text::bigint[], $12::smallint[],
                  $13::smallint[], $14::text[], $15::text[], $16::numeric[], $17::text[], $18::text[], $19::text[],
                  $20::bytea[])
        AS r (backfill_number, position, status, started, finished, attempts, http_status, message,
              result, credits, error_class, error, skip_reason, fingerprint)
      JOIN owned ON owned.backfill_number = COALESCE(r.backfill_number, ($1::bigint[])[1])

-- part: over
over AS (
    DELETE FROM retries AS r
     USING unnest($29::bigint[], $30::integer[]) AS e (backfill_number, position)
      JOIN owned USING (backfill_number)
     WHERE r.backfill_number = e.backfill_number AND r.position = e.position
    RETURNING r.backfill_number
), deleted AS (
    SELECT backfill_number, count(*) AS no_longer_waiting FROM over GROUP BY backfill_number
)

-- part: count
UPDATE backfill_progress AS p
   SET succeeded        = p.succeeded + COALESCE(c.succeeded, 0),
       failed           = p.failed    + COALESCE(c.failed, 0),
       skipped          = p.skipped   + COALESCE(c.skipped, 0),
       cancelled        = p.cancelled + COALESCE(c.cancelled, 0),
       credits_used     = p.credits_used + COALESCE(c.credits, 0),
       highest_credits  = GREATEST(p.highest_credits, c.highest_credits),
       retrying         = p.retrying - COALESCE(c.no_longer_waiting, 0),
       low_water_mark   = GREATEST(p.low_water_mark, c.mark),
       hand_out_limit   = GREATEST(p.hand_out_limit, c.hand_out_limit),
       throughput       = c.throughput,
       failure_counts   = COALESCE(c.failure_counts::json, p.failure_counts),
       last_recorded_at = $6
  FROM counted AS c
 WHERE p.backfill_number = c.backfill_number
RETURNING p.backfill_number

-- name: record_outcomes
-- Final outcomes of any number of backfills, their counters and low-water marks, in one statement: all, or an error.
WITH /* part: owned */, written AS (
    /* part: insert_ended */
), counted AS (
    SELECT *, 0 AS no_longer_waiting FROM given JOIN owned USING (backfill_number)
)
/* part: count */;

-- name: record_retried
-- The same where an item had a retry row, which goes.
WITH /* part: owned */, written AS (
    /* part: insert_ended */
), /* part: over */, counted AS (
    SELECT * FROM given JOIN owned USING (backfill_number) LEFT JOIN deleted USING (backfill_number)
)
/* part: count */;

-- name: record_missing
-- The same as record_retried of a batch that was written already, whole or in part, by a COMMIT whose result we do not know: what is there
-- stays, and what counts is what is written now.
WITH /* part: owned */, written AS (
    /* part: insert_ended */
    ON CONFLICT (backfill_number, position) DO NOTHING
    RETURNING o.backfill_number, o.status, o.credits
), /* part: over */, anew AS (
    SELECT backfill_number,
           count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE status = 'failed')    AS failed,
           count(*) FILTER (WHERE status = 'skipped')   AS skipped,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
           sum(credits)                                 AS credits,
           max(credits)                                 AS highest_credits
      FROM written
     GROUP BY backfill_number
), counted AS (
    SELECT g.backfill_number, g.mark, g.throughput, g.hand_out_limit, g.failure_counts, a.succeeded, a.failed, a.skipped,
           a.cancelled, a.credits, a.highest_credits, d.no_longer_waiting
      FROM given AS g
      JOIN owned USING (backfill_number)
      LEFT JOIN anew AS a USING (backfill_number)
      LEFT JOIN deleted AS d USING (backfill_number)
)
/* part: count */;

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
