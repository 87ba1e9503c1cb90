-- name: find_alone
-- $1 backfill
SELECT p.alone_position AS position, p.alone_holder AS holder, i.entity_id,
       COALESCE(r.interruptions, 0) AS interruptions, COALESCE(r.tries, 0) AS tries, COALESCE(r.counted, 0) AS counted
  FROM backfill_progress AS p
 CROSS JOIN LATERAL (
       SELECT entity_id FROM plan_items WHERE backfill_number = $1 AND position = p.alone_position OFFSET 0) AS i
  LEFT JOIN LATERAL (
       SELECT interruptions, tries, counted
         FROM retries
        WHERE backfill_number = $1 AND position = p.alone_position
       OFFSET 0) AS r ON true
 WHERE p.backfill_number = $1
   AND (SELECT o.position FROM outcomes AS o WHERE o.backfill_number = $1 AND o.position = p.alone_position) IS NULL;

-- name: start_alone
-- Committed before the item starts, so that a process that dies of it leaves its name.
-- $1 backfill   $2 fence   $3 position (null: nobody stands alone any more)   $4 holder
UPDATE backfill_progress
   SET alone_position = $3, alone_holder = $4
 WHERE backfill_number = $1 AND fence = $2
RETURNING backfill_number;

-- name: charge_interruption
-- The item that stood alone when its process died: the try is written down, and it is to be repeated with the others.
-- $1 backfill   $2 fence   $3 position   $4 attempt   $5 now   $6 holder that died
WITH owned AS (
    UPDATE backfill_progress SET alone_position = NULL, alone_holder = NULL
     WHERE backfill_number = $1 AND fence = $2 AND alone_position = $3 AND alone_holder = $6
    RETURNING backfill_number
), kept AS (
    INSERT INTO tries (backfill_number, position, attempt, finished_at, error_class, error)
    SELECT $1, $3, $4, $5, 'interrupted', 'the process died while this item stood alone in flight' FROM owned
    ON CONFLICT (backfill_number, position, attempt) DO NOTHING
)
INSERT INTO retries AS r (backfill_number, position, tries, counted, interruptions, interrupted_holder, next_attempt_at,
                          last_failed_at, error_class, error, taken_fence, in_doubt)
SELECT $1, $3, $4, 0, 1, $6, $5, $5, 'interrupted', 'the process died while this item stood alone in flight', 0, true
  FROM owned
ON CONFLICT (backfill_number, position) DO UPDATE
   SET tries = excluded.tries, interruptions = r.interruptions + 1, interrupted_holder = excluded.interrupted_holder,
       next_attempt_at = excluded.next_attempt_at, last_failed_at = excluded.last_failed_at,
       error_class = excluded.error_class, error = excluded.error, taken_fence = excluded.taken_fence,
       in_doubt = true
RETURNING (xmax = 0) AS is_new;

-- name: grow_retrying
-- $1 backfill
UPDATE backfill_progress SET retrying = retrying + 1 WHERE backfill_number = $1;

-- name: end_alone
-- The process lives, so nothing that stood alone in it may be charged any more. Whoever is charging it now holds this
-- row, and is done before the next statement looks.
-- $1 backfill   $2 holder
UPDATE backfill_progress SET alone_position = NULL, alone_holder = NULL WHERE backfill_number = $1 AND alone_holder = $2;

-- name: take_back_charge
-- The process that was charged lives after all: it was only cut off.
-- $1 backfill   $2 holder
UPDATE retries
   SET interruptions = interruptions - 1, interrupted_holder = NULL
 WHERE backfill_number = $1 AND interrupted_holder = $2 AND interruptions > 0;

-- name: lock_account
-- What the last owner left of one backfill. `most`: so many items, the first without an outcome or a retry, he may have
-- started: as many as the limit exceeds what is settled. Null: he wrote no limit down.
-- $1 backfill   $2 fence
SELECT p.low_water_mark AS mark, b.sample_open, p.repeat_round, p.repeat_to, p.repeat_fence,
       GREATEST(p.hand_out_limit, l.hand_out_limit)
           - (p.succeeded + p.failed + p.skipped + p.cancelled + p.retrying - p.skipped_in_plan) AS most,
       p.hand_out_limit IS NULL AS is_unknown
  FROM backfill_progress AS p
  JOIN backfills AS b ON b.number = p.backfill_number
  JOIN leases AS l ON l.backfill_number = p.backfill_number
 WHERE p.backfill_number = $1 AND p.fence = $2
   FOR NO KEY UPDATE OF p;

-- name: count_taken
-- Retries that were handed out under a smaller fence, and of which nothing was heard since.
-- $1 backfill   $2 fence
SELECT count(*) FROM retries WHERE backfill_number = $1 AND taken_fence < $2;

-- name: take_due
-- Nobody wrote down which retries were handed out: any that was due may have been.
-- $1 backfill   $2 now   $3 how many at most
UPDATE retries AS r
   SET taken_fence = 0
 WHERE r.backfill_number = $1
   AND r.position = ANY (ARRAY(
           SELECT position
             FROM retries
            WHERE backfill_number + 0 = $1 AND next_attempt_at <= $2
            ORDER BY next_attempt_at
            LIMIT $3));

-- name: assume_limit
-- The last owner wrote none down: so many more than are settled.
-- $1 backfill   $2 how many
UPDATE backfill_progress
   SET hand_out_limit = succeeded + failed + skipped + cancelled + retrying - skipped_in_plan + $2
 WHERE backfill_number = $1;

-- name: set_round
-- $1 backfill   $2 fence   $3 round   $4 to position   $5 fence of retries
UPDATE backfill_progress
   SET repeat_round = $3, repeat_to = $4, repeat_fence = $5, alone_position = NULL, alone_holder = NULL
 WHERE backfill_number = $1 AND fence = $2
RETURNING backfill_number;

-- name: open_hand_out
-- Before the first item is handed out: how far that may go. What the last owner may have started stays within the limit
-- until it has been repeated, and moves no further before something is recorded, so that nothing else is taken for what he
-- started; after a clean end there is nothing of the kind, and the limit comes down to what is settled.
-- $1 backfill   $2 fence   $3 whether the last owner may have left something   $4 how many ahead
WITH lease AS MATERIALIZED (
    SELECT backfill_number, hand_out_limit FROM leases WHERE backfill_number = $1 AND fence = $2 FOR UPDATE
), emptied AS (
    UPDATE leases AS l SET hand_out_limit = 0 FROM lease WHERE l.backfill_number = lease.backfill_number
), now AS (
    SELECT p.backfill_number,
           p.succeeded + p.failed + p.skipped + p.cancelled + p.retrying - p.skipped_in_plan AS settled
      FROM backfill_progress AS p
     WHERE p.backfill_number = $1 AND p.fence = $2
       FOR NO KEY UPDATE
)
UPDATE backfill_progress AS p
   SET hand_out_limit = GREATEST(CASE WHEN p.repeat_round = 0 THEN now.settled + $4::integer END,
                                 CASE WHEN $3 OR p.repeat_round > 0
                                      THEN GREATEST(p.hand_out_limit, lease.hand_out_limit) END)
  FROM now
  JOIN lease USING (backfill_number)
 WHERE p.backfill_number = now.backfill_number
RETURNING p.low_water_mark AS mark, p.throughput, now.settled, p.hand_out_limit AS limit, p.repeat_round,
          p.failure_counts, p.credits_used, p.highest_credits;

-- name: read_repeats
-- Retries that were handed out by an owner who died, whether they are due or not: they were due then.
-- $1 backfill   $2 fence of retries   $3 positions that are taken already   $4 how many
SELECT r.position, i.entity_id, i.attributes, r.tries, r.counted, r.interruptions, r.first_started_at, r.last_failed_at,
       true AS in_doubt, r.unknown_since
  FROM (SELECT *
          FROM retries
         WHERE backfill_number = $1 AND taken_fence < $2 AND position <> ALL ($3::integer[])
         ORDER BY position
         LIMIT $4) AS r
 CROSS JOIN LATERAL (
       SELECT entity_id, attributes FROM plan_items WHERE backfill_number = $1 AND position = r.position OFFSET 0) AS i
 ORDER BY r.position;

-- name: note_cut_off
-- Started by us, and not waited for any more: nobody knows what their targets make of it. They cost no try.
-- $1 backfill   $2 fence   $3 positions   $4 now
WITH owned AS (
    SELECT backfill_number FROM backfill_progress WHERE backfill_number = $1 AND fence = $2 FOR NO KEY UPDATE
), cut_off AS (
    INSERT INTO retries (backfill_number, position, tries, counted, next_attempt_at, first_started_at, last_failed_at,
                         error_class, error, in_doubt)
    SELECT owned.backfill_number, cut.position, 0, 0, $4, $4, $4, 'cut_off',
           'the daemon was stopped before its target had answered', true
      FROM owned
     CROSS JOIN unnest($3::integer[]) AS cut (position)
    ON CONFLICT (backfill_number, position) DO UPDATE SET in_doubt = true
    RETURNING (xmax = 0) AS is_new
)
UPDATE backfill_progress
   SET retrying = retrying + (SELECT count(*) FROM cut_off WHERE is_new)
 WHERE backfill_number = $1 AND fence = $2;

-- name: put_back_retries
-- Handed out, and not started or cut off by us: they wait as before.
-- $1 backfill   $2 fence   $3 positions
UPDATE retries SET taken_fence = NULL
 WHERE backfill_number = $1 AND taken_fence = $2 AND position = ANY ($3::integer[]);
