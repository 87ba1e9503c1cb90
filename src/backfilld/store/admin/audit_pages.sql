-- What people read of `audit_log`.

-- part: own
-- The columns of an event, from audit_log a.
SELECT a.id, a.at, a.actor, a.action, a.subject, a.backfill_number, a.reason, a.old, a.new, a.request_id,
       NULL::timestamptz AS began_at, NULL::timestamptz AS ended_at, NULL::integer AS probes
  FROM audit_log AS a

-- part: outages
-- The same of what came and went, from outages o.
SELECT o.id, o.began_at, 'system', 'backfill.outage', 'backfill/' || b.id, o.backfill_number, o.message, NULL,
       CASE WHEN held.worst IS NULL THEN json_build_object('status_reason', o.code)
            ELSE json_build_object('status_reason', o.code, 'worst', held.worst) END,
       NULL, o.began_at, o.ended_at, o.probes
  FROM outages AS o
  JOIN backfills AS b ON b.number = o.backfill_number
  LEFT JOIN LATERAL (
    -- of the brake that its sentence names: the last time that it held meanwhile, with the worst value
    SELECT e.worst
      FROM brake_episodes AS e
     WHERE o.code = 'braked' AND starts_with(o.message, 'Braked by ' || e.brake || ' ')
       AND e.began_at <= coalesce(o.ended_at, 'infinity') AND coalesce(e.ended_at, 'infinity') >= o.began_at
     ORDER BY e.began_at DESC
     LIMIT 1) AS held ON true

-- part: around
-- Orders to stop and to start that held it, too, and the reruns that were made of it.
SELECT a.id, a.at, a.actor, a.action, a.subject, a.backfill_number, a.reason, a.old, a.new, a.request_id,
       NULL::timestamptz, NULL::timestamptz, NULL::integer
  FROM backfills AS b
  JOIN audit_log AS a ON a.at >= b.created_at AND a.at <= coalesce(b.completed_at, 'infinity')
 WHERE b.number = $1 AND a.action IN ('daemon.stop_all', 'daemon.start_all')
UNION ALL
SELECT a.id, a.at, a.actor, a.action, a.subject, a.backfill_number, a.reason, a.old, a.new, a.request_id,
       NULL::timestamptz, NULL::timestamptz, NULL::integer
  FROM backfills AS child
  JOIN audit_log AS a ON a.backfill_number = child.number AND a.action = 'backfill.rerun'
 WHERE child.parent_number = $1

-- part: events
SELECT a.id, a.at, a.actor, k.name AS actor_name, a.action, a.subject, b.id AS backfill_id, a.reason, a.old, a.new,
       a.request_id
  FROM audit_log AS a
  LEFT JOIN api_keys AS k ON a.actor = 'key:' || k.id
  LEFT JOIN backfills AS b ON b.number = a.backfill_number
 WHERE a.action NOT IN ('backfill.status', 'backfill.taken_over')
   AND (a.at, a.id) < ($1::timestamptz, $2::bigint)
   AND a.at >= $3
   AND ($4::text IS NULL OR a.actor = $4 OR k.name = $4)
   AND ($5::text IS NULL OR a.action = $5 OR starts_with(a.action, $5 || '.'))
   AND ($7::boolean OR NOT starts_with(a.subject, 'api_key/'))

-- part: of_interest
WITH of_interest AS (
    /* part: own */
     WHERE a.backfill_number = $1
    UNION ALL
    /* part: outages */
     WHERE o.backfill_number = $1
    UNION ALL
    /* part: around */
)

-- name: list_events
-- Who did what, newest first; what the engine does by itself stands in the timelines alone.
-- The bounds are plain comparisons, so that a page is read along the index whatever else is asked for.
-- $1 before this time   $2 and before this id of it   $3 at or after   $4 actor, or the name of a key   $5 action, or what it begins with
-- $6 null   $7 what was done to API keys, too   $8 how many
/* part: events */
   AND $6::text IS NULL
 ORDER BY a.at DESC, a.id DESC
 LIMIT $8;

-- name: list_events_of
-- The same of one subject, $6, along an index that begins with it.
/* part: events */
   AND a.subject = $6
 ORDER BY a.at DESC, a.id DESC
 LIMIT $8;

-- name: find_deleted
-- The number of a backfill that was deleted.
-- $1 subject
SELECT backfill_number FROM audit_log WHERE action = 'backfill.delete' AND subject = $1 LIMIT 1;

-- name: list_timeline
-- What happened to a backfill, oldest first: what was done to it, what came and went meanwhile, orders to stop and to
-- start that held it too, and the reruns that were made of it. Ids are of one sequence, and whoever moves a backfill
-- holds its row, so they are in the order of what happened.
-- $1 backfill   $2 behind id   $3 how many   $4 actor, or the name of a key   $5 action, or what it begins with
-- $6 subject   $7 at or after   $8 before
/* part: of_interest */
SELECT e.id, e.at, e.actor, k.name AS actor_name, e.action, e.subject, b.id AS backfill_id, e.reason, e.old, e.new,
       e.request_id, e.began_at, e.ended_at, e.probes
  FROM of_interest AS e
  LEFT JOIN api_keys AS k ON e.actor = 'key:' || k.id
  LEFT JOIN backfills AS b ON b.number = e.backfill_number
 WHERE e.id > $2
   AND ($4::text IS NULL OR e.actor = $4 OR k.name = $4)
   AND ($5::text IS NULL OR e.action = $5 OR starts_with(e.action, $5 || '.'))
   AND ($6::text IS NULL OR e.subject = $6)
   AND e.at >= $7 AND (e.at < $8 OR $8 = 'infinity')
 ORDER BY e.id
 LIMIT $3;

-- name: list_timeline_back
-- The same, newest first. A backfill may have ten thousand events of its own: no more are read than are shown. A range
-- of one number, instead of that number, keeps the planner from walking back through everybody's events to find them.
-- $1 backfill   $2 only ids below (null: any)   $3 how many
WITH of_interest AS (
    (/* part: own */
      WHERE a.backfill_number >= $1 AND a.backfill_number <= $1 AND a.id < coalesce($2::bigint, 9223372036854775807)
      ORDER BY a.backfill_number DESC, a.id DESC
      LIMIT $3)
    UNION ALL
    (/* part: outages */
      WHERE o.backfill_number >= $1 AND o.backfill_number <= $1 AND o.id < coalesce($2::bigint, 9223372036854775807)
      ORDER BY o.backfill_number DESC, o.id DESC
      LIMIT $3)
    UNION ALL
    (/* part: around */)
)
SELECT e.id, e.at, e.actor, k.name AS actor_name, e.action, e.subject, b.id AS backfill_id, e.reason, e.old, e.new,
       e.request_id, e.began_at, e.ended_at, e.probes
  FROM of_interest AS e
  LEFT JOIN api_keys AS k ON e.actor = 'key:' || k.id
  LEFT JOIN backfills AS b ON b.number = e.backfill_number
 WHERE $2::bigint IS NULL OR e.id < $2
 ORDER BY e.id DESC
 LIMIT $3;

-- name: find_changes_since_approval
-- When somebody last changed settings of a backfill after it was approved, and which; and the name of the key, if one approved.
-- $1 backfill   $2 approved at   $3 approved by
WITH approved AS (
    SELECT coalesce(max(id), 0) AS id FROM audit_log WHERE backfill_number = $1 AND action = 'backfill.approve'
)
SELECT max(a.at) AS at, coalesce(array_agg(DISTINCT changed.setting), '{}') AS settings,
       (SELECT k.name FROM api_keys AS k WHERE 'key:' || k.id = $3) AS approver_name
  FROM approved
  JOIN audit_log AS a ON a.backfill_number = $1 AND a.id > approved.id
 CROSS JOIN LATERAL json_object_keys(a.new) AS changed (setting)
 WHERE a.action = 'backfill.change' AND a.at >= $2 AND changed.setting NOT IN ('status', 'status_reason');

-- name: list_last_changes
-- Who changed each setting of a backfill last, and when.
-- $1 backfill
SELECT DISTINCT ON (changed.setting) changed.setting, a.at, a.actor, k.name AS actor_name
  FROM audit_log AS a
 CROSS JOIN LATERAL json_object_keys(a.new) AS changed (setting)
  LEFT JOIN api_keys AS k ON a.actor = 'key:' || k.id
 WHERE a.backfill_number = $1 AND a.action = 'backfill.change' AND changed.setting NOT IN ('status', 'status_reason')
 ORDER BY changed.setting, a.id DESC;
