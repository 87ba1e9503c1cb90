-- What people read of `audit_log`.

-- name: list_events
-- Who did what, newest first; what the engine does by itself stands in the timelines alone.
-- The bounds are plain comparisons, so that a page is read along the index whatever else is asked for.
-- $1 before this time   $2 and before this id of it   $3 at or after   $4 actor   $5 action, or what it begins with
-- $6 subject   $7 what was done to API keys, too   $8 how many
SELECT a.id, a.at, a.actor, k.name AS actor_name, a.action, a.subject, b.id AS backfill_id, a.reason, a.old, a.new,
       a.request_id
  FROM audit_log AS a
  LEFT JOIN api_keys AS k ON a.actor = 'key:' || k.id
  LEFT JOIN backfills AS b ON b.no = a.backfill_no
 WHERE a.action <> 'backfill.status'
   AND (a.at, a.id) < ($1::timestamptz, $2::bigint)
   AND a.at >= $3
   AND ($4::text IS NULL OR a.actor = $4)
   AND ($5::text IS NULL OR a.action = $5 OR starts_with(a.action, $5 || '.'))
   AND ($6::text IS NULL OR a.subject = $6)
   AND ($7::boolean OR NOT starts_with(a.subject, 'api_key/'))
 ORDER BY a.at DESC, a.id DESC
 LIMIT $8;

-- name: list_timeline
-- What happened to a backfill, oldest first. Whoever moves one holds its row, so the ids are in the order of the moves.
-- $1 backfill   $2 behind id   $3 how many
SELECT a.id, a.at, a.actor, k.name AS actor_name, a.action, a.subject, b.id AS backfill_id, a.reason, a.old, a.new,
       a.request_id
  FROM audit_log AS a
  LEFT JOIN api_keys AS k ON a.actor = 'key:' || k.id
  JOIN backfills AS b ON b.no = a.backfill_no
 WHERE a.backfill_no = $1 AND a.id > $2
 ORDER BY a.id
 LIMIT $3;
