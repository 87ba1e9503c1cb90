-- name: acquire_lease
-- Taking and fencing are one statement: of two daemons that ask at once, one gets a row and a number that only grows.
-- The backfill's row is locked first, so that a pause or cancel is either seen here or sees this lease.
-- A lease may be taken when it is over, given back, or held by an earlier process of the same instance: an
-- instance has one process at a time (it locks its state directory), so the earlier one is dead.
-- The stop order is locked too, for the same reason: it is seen here, or whoever gives it sees this lease. The taker
-- is told of it, and so obeys it from the first moment.
-- The database's clock decides here, and only here: two machines never agree on the time well enough.
-- $1 backfill   $2 instance   $3 process   $4 length   $5 statuses in which it may be run
WITH wanted AS (
    SELECT number, version
      FROM backfills
     WHERE number = $1 AND status = ANY ($5::text[]) AND deleted_at IS NULL
       FOR SHARE
), before AS MATERIALIZED (
    -- locked, so that it is the row as it is now and not as it was before we waited for `wanted`
    SELECT l.in_order, l.holder
      FROM wanted
      JOIN leases AS l ON l.backfill_number = wanted.number
       FOR UPDATE OF l
), stop AS MATERIALIZED (
    SELECT version, stopped, by, why, since FROM stop_order FOR SHARE
), taken AS (
    -- whoever reads the row after this has a version that is at least this one: it is acknowledged by the taking
    INSERT INTO leases AS l (backfill_number, holder, fence, expires_at, acknowledged_version, obeys_stop)
    SELECT wanted.number, $2 || '/' || $3, 1, clock_timestamp() + $4, wanted.version, stop.version
      FROM wanted CROSS JOIN stop LEFT JOIN before ON true
    ON CONFLICT (backfill_number) DO UPDATE
       SET holder = excluded.holder, fence = l.fence + 1, expires_at = excluded.expires_at,
           acknowledged_version = excluded.acknowledged_version, obeys_stop = excluded.obeys_stop,
           released = false, in_order = false, in_flight = 0, in_flight_items = NULL, says = NULL
     WHERE l.released
        OR l.expires_at <= clock_timestamp()
        OR (split_part(l.holder, '/', 1) = $2 AND l.holder <> excluded.holder)
    RETURNING fence, holder, xmax = 0 AS is_first
), fenced AS (
    -- the recorder locks this row; writing the new fence here shuts the last owner out
    UPDATE backfill_progress AS p
       SET fence = taken.fence
      FROM taken
     WHERE p.backfill_number = $1
    RETURNING p.backfill_number
), told AS (
    -- for the timeline: another process goes on, be it after a restart, a death, or in another daemon's place
    INSERT INTO audit_log (at, actor, action, backfill_number, subject, reason, old, new)
    SELECT clock_timestamp(), 'system', 'backfill.taken_over', $1, 'backfill/' || b.id,
           CASE WHEN before.in_order THEN 'the daemon before gave it back in order'
                ELSE 'the daemon before died, or could not reach the database' END,
           json_build_object('daemon', before.holder), json_build_object('daemon', taken.holder)
      FROM taken
     CROSS JOIN before
      JOIN backfills AS b ON b.number = $1
     WHERE before.holder <> taken.holder
)
SELECT taken.fence, taken.holder, taken.is_first OR COALESCE((SELECT in_order FROM before), false) AS clean, stop.*
  FROM taken, fenced, stop;

-- name: renew_leases
-- While its fence stands the holder may renew, even after expiry: expiry only lets others in.
-- $1 backfills   $2 fences   $3 length   $4 in flight   $5 limits of handing out
-- $6 version of the stop order that the holder obeys   $7 the oldest items in flight   $8 what the holder says of them
UPDATE leases AS l
   SET expires_at = clock_timestamp() + $3, in_flight = held.in_flight, in_flight_items = held.items::json,
       says = held.says::json,
       hand_out_limit = GREATEST(l.hand_out_limit, held.hand_out_limit), obeys_stop = GREATEST(l.obeys_stop, $6)
  FROM unnest($1::bigint[], $2::bigint[], $4::integer[], $5::integer[], $7::text[], $8::text[])
       AS held (backfill_number, fence, in_flight, hand_out_limit, items, says), stop_order AS stop
 WHERE l.backfill_number = held.backfill_number AND l.fence = held.fence AND NOT l.released
RETURNING l.backfill_number, (SELECT b.version FROM backfills AS b WHERE b.number = l.backfill_number) AS backfill_version, stop.*;

-- name: release_lease
-- $1 backfill   $2 fence   $3 in order
UPDATE leases
   SET released = true, in_order = $3, expires_at = clock_timestamp(), in_flight = 0, in_flight_items = NULL,
       says = NULL
 WHERE backfill_number = $1 AND fence = $2;

-- name: acknowledge
-- $1 backfill   $2 fence   $3 version
UPDATE leases
   SET acknowledged_version = GREATEST(acknowledged_version, $3)
 WHERE backfill_number = $1 AND fence = $2;

-- name: obey_stop_order
-- $1 backfills   $2 fences   $3 version
UPDATE leases AS l
   SET obeys_stop = GREATEST(l.obeys_stop, $3)
  FROM unnest($1::bigint[], $2::bigint[]) AS held (backfill_number, fence)
 WHERE l.backfill_number = held.backfill_number AND l.fence = held.fence;

-- name: find_owner
-- Who may still start items of a backfill; no row: nobody.
-- $1 backfill
SELECT holder, fence, acknowledged_version
  FROM leases
 WHERE backfill_number = $1 AND NOT released AND expires_at > clock_timestamp();

-- name: find_in_flight
-- $1 backfill
SELECT in_flight_items FROM leases WHERE backfill_number = $1 AND NOT released AND expires_at > clock_timestamp();

-- name: list_words
-- What the owners say; NULL of one that has not renewed yet, and no row where nobody living owns it.
-- $1 backfills
SELECT backfill_number, says
  FROM leases
 WHERE backfill_number = ANY ($1::bigint[]) AND NOT released AND expires_at > clock_timestamp();

-- name: list_candidates
-- What a daemon could run now: runnable, due, and not held by a living owner. What runs or is being cancelled has nothing
-- to wait for; a time in it is one of a clock that is ahead of ours, or was set back since.
-- $1 statuses   $2 now   $3 instance   $4 look at everything, due or not
SELECT b.number
  FROM backfills AS b
  LEFT JOIN leases AS l ON l.backfill_number = b.number
 WHERE b.status IN ('planning', 'running', 'waiting', 'paused', 'cancelling')
   AND b.status = ANY ($1::text[])
   AND b.deleted_at IS NULL
   AND (b.wake_at IS NULL OR b.wake_at <= $2 OR b.status IN ('running', 'cancelling') OR $4)
   AND (l.backfill_number IS NULL OR l.released OR l.expires_at <= clock_timestamp()
        OR split_part(l.holder, '/', 1) = $3)
 ORDER BY b.number;

-- name: next_look
-- When something falls due by itself, whether others hold something that may need taking over, and whether a pause that
-- somebody wanted until now is over.
-- $1 statuses   $2 now   $3 instance
SELECT min(b.wake_at) FILTER (WHERE b.wake_at > $2) AS wake_at,
       count(*) FILTER (WHERE NOT l.released AND split_part(l.holder, '/', 1) <> $3) > 0 AS others_hold_some,
       count(*) FILTER (WHERE b.status = 'paused' AND b.wake_at <= $2) > 0 AS a_pause_is_over
  FROM backfills AS b
  LEFT JOIN leases AS l ON l.backfill_number = b.number
 WHERE b.status IN ('planning', 'running', 'waiting', 'paused', 'cancelling')
   AND (b.status = ANY ($1::text[]) OR (b.status = 'paused' AND b.wake_at IS NOT NULL))
   AND b.deleted_at IS NULL;

-- name: list_over_pauses
-- $1 now
SELECT number
  FROM backfills
 WHERE status IN ('planning', 'running', 'waiting', 'paused', 'cancelling')
   AND status = 'paused' AND wake_at <= $1 AND deleted_at IS NULL
 ORDER BY number;
