-- part: columns
-- Of backfill b, workflow w and revision r.
b.number, b.id, b.kind, b.parent_number, b.parent_id, b.workflow_id, b.revision_id, b.entity_type, b.max_in_flight, b.name,
       b.settings, b.filter_resolved, b.entity_ids_count, b.entity_ids_digest, b.sample_open, b.credits_per_entity, b.schedule_id,
       b.session_from, b.session_to, b.failures_accepted, b.created_by, b.created_at, b.updated_at, b.completed_at,
       b.error, b.version, b.status, b.reason_code, b.reason_message, b.reason_since, b.reason_until, b.reason_facts,
       b.planned_at, b.source_cursor, b.wake_at, b.cancel_in_flight, b.approved_by, b.approved_at, b.override_until, b.asked_again_at, b.ledger_digest, b.plan_remarks,
       CASE WHEN b.entity_ids_count IS NOT NULL
            THEN ARRAY(SELECT i.entity_id FROM backfill_ids AS i
                        WHERE i.backfill_number = b.number AND i.position < 100 ORDER BY i.position) END AS first_ids,
       CASE WHEN starts_with(b.created_by, 'key:')
            THEN (SELECT k.name FROM api_keys AS k WHERE k.id::text = substr(b.created_by, 5)) END AS created_by_name,
       (SELECT p.name FROM projects AS p WHERE p.id = w.project_id) AS project_name,
       (SELECT json_agg(json_build_array(c.id, c.status) ORDER BY c.number)
          FROM (SELECT number, id, status FROM backfills
                 WHERE parent_number = b.number AND deleted_at IS NULL
                 ORDER BY number DESC LIMIT 100) AS c) AS children,
       w.name AS workflow_name, w.enabled AND w.deleted_at IS NULL AS workflow_enabled,
       CASE WHEN w.deleted_at IS NOT NULL THEN 'as it was deleted'
            WHEN w.managed_by = 'config' AND NOT w.enabled THEN 'in the configuration file, or gone from the file'
       END AS workflow_off,
       r.version AS workflow_version, r.definition

-- part: counters
-- Of progress p and lease l. An expired or returned lease has nothing in flight that we may count.
p.planned, p.skipped_in_plan, p.succeeded, p.failed, p.skipped, p.cancelled, p.retrying,
       coalesce(l.in_flight, 0) AS in_flight,
       p.credits_used, p.low_water_mark, p.throughput, p.started_at, p.last_recorded_at

-- part: active
-- Of backfill b: as the index `backfills_active` says it.
b.status IN ('planning', 'running', 'waiting', 'paused', 'cancelling') AND b.deleted_at IS NULL

-- part: ended
-- As the index `backfills_ended` says it.
b.status IN ('completed', 'completed_with_failures', 'cancelled', 'failed') AND b.deleted_at IS NULL

-- part: group
-- Of an active backfill b: as `domain.backfills.holding.group_of` says.
CASE WHEN $4::boolean AND b.status IN ('planning', 'running', 'waiting') THEN 'paused'
            WHEN b.reason_code = ANY($2::text[]) THEN 'attention'
            WHEN b.status = 'paused' OR b.reason_code = 'stopped_by_operator' THEN 'paused'
            WHEN b.status = 'waiting' THEN 'waiting'
            ELSE 'working' END

-- part: wanted
-- Of backfill b and workflow w: what a list asks for beside the group.
/* part: found */
   AND ($6::bigint IS NULL OR b.number < $6)
   AND ($8::text[] IS NULL OR b.status = ANY($8::text[]))
   AND ($9::text IS NULL OR b.kind = $9)
   AND ($10::text IS NULL OR b.entity_type = $10)
   AND ($11::bigint IS NULL OR b.workflow_id = $11)
   AND ($12::text IS NULL OR b.created_by = $12)
   AND ($13::timestamptz IS NULL OR b.created_at >= $13)
   AND ($14::timestamptz IS NULL OR b.created_at < $14)

-- part: picked
-- The rows of `picked`, newest first; each with its own counters, and not with all there are.
SELECT /* part: columns */, /* part: counters */
  FROM picked
  JOIN backfills b ON b.number = picked.number
  JOIN workflows w ON w.id = b.workflow_id
  JOIN revisions r ON r.id = b.revision_id
  JOIN LATERAL (SELECT * FROM backfill_progress AS own WHERE own.backfill_number = picked.number LIMIT 1) AS p ON true
  LEFT JOIN leases l ON l.backfill_number = b.number AND NOT l.released AND l.expires_at > clock_timestamp()
 ORDER BY b.number DESC
 LIMIT $7

-- part: found
($5::text IS NULL
        OR position(lower($5) IN lower(coalesce(b.name, '') || E'\n' || w.name || E'\n' || coalesce(b.entity_type, ''))) > 0
        OR starts_with(b.id::text, lower($5)))

-- name: insert_backfill
-- One statement makes the row, its counters and the call that wakes the schedulers, so that none is ever without the others.
-- $1 the row, as JSON by the names of its columns
WITH made AS (
    INSERT INTO backfills (
        id, kind, parent_number, parent_id, workflow_id, revision_id, entity_type, max_in_flight, name, settings,
        filter_resolved, credits_per_entity, exclusive, created_by, created_at, updated_at,
        schedule_id, session_from, session_to, status)
    SELECT id, kind, parent_number, parent_id, workflow_id, revision_id, entity_type, max_in_flight, name, settings,
           filter_resolved, credits_per_entity, exclusive, created_by, created_at, created_at,
           schedule_id, session_from, session_to, 'planning'
      FROM json_populate_record(NULL::backfills, $1::json)
    RETURNING number, version
), counters AS (
    INSERT INTO backfill_progress (backfill_number)
    SELECT number FROM made
)
SELECT number, pg_notify('backfilld', number || ' ' || version) FROM made;

-- name: find_backfill
-- $1 id   $2 number (either may be null)
SELECT /* part: columns */
  FROM backfills b
  JOIN workflows w ON w.id = b.workflow_id
  JOIN revisions r ON r.id = b.revision_id
 WHERE (b.id = $1 OR b.number = $2) AND b.deleted_at IS NULL;

-- name: find_backfill_with_progress
-- Settings and counters of one moment.
SELECT /* part: columns */, /* part: counters */
  FROM backfills b
  JOIN workflows w ON w.id = b.workflow_id
  JOIN revisions r ON r.id = b.revision_id
  JOIN backfill_progress p ON p.backfill_number = b.number
  LEFT JOIN leases l ON l.backfill_number = b.number AND NOT l.released AND l.expires_at > clock_timestamp()
 WHERE b.id = $1 AND b.deleted_at IS NULL;

-- name: find_progress
SELECT /* part: counters */
  FROM backfill_progress p
  LEFT JOIN leases l ON l.backfill_number = p.backfill_number AND NOT l.released AND l.expires_at > clock_timestamp()
 WHERE p.backfill_number = $1;

-- name: list_backfills
-- Newest first; a row that is added meanwhile stands before the cursor and moves nothing behind it.
-- $1 null   $2 codes that need a person   $3 ended after this instant is news   $4 everything is stopped
-- $5 text in name, workflow or entity type, or the beginning of an id (null: any)   $6 only numbers below   $7 how many
-- $8 statuses   $9 kind   $10 entity type   $11 workflow   $12 created by   $13 created at or after   $14 created before
WITH picked AS MATERIALIZED (
    SELECT b.number
      FROM backfills b
      JOIN workflows w ON w.id = b.workflow_id
     WHERE b.deleted_at IS NULL AND $1::text IS NULL AND $2::text[] IS NOT NULL AND $3::timestamptz IS NOT NULL
       AND $4::boolean IS NOT NULL AND /* part: wanted */
     ORDER BY b.number DESC
     LIMIT $7
)
/* part: picked */;

-- name: list_active_group
-- The same, of one group of those that are active: $1.
WITH picked AS MATERIALIZED (
    SELECT b.number
      FROM backfills b
      JOIN workflows w ON w.id = b.workflow_id
     WHERE /* part: active */ AND /* part: group */ = $1::text AND $3::timestamptz IS NOT NULL AND /* part: wanted */
     ORDER BY b.number DESC
     LIMIT $7
)
/* part: picked */;

-- name: list_attention
-- The same, of those that need a person: active ones and what failed lately. $1 is 'attention'.
WITH picked AS MATERIALIZED (
    (SELECT b.number
       FROM backfills b
       JOIN workflows w ON w.id = b.workflow_id
      WHERE /* part: active */ AND /* part: group */ = $1::text AND /* part: wanted */
      ORDER BY b.number DESC
      LIMIT $7)
    UNION ALL
    (SELECT b.number
       FROM backfills b
       JOIN workflows w ON w.id = b.workflow_id
      WHERE b.status = 'failed' AND b.deleted_at IS NULL AND b.completed_at > $3::timestamptz AND /* part: wanted */
      ORDER BY b.number DESC
      LIMIT $7)
)
/* part: picked */;

-- name: list_ended_group
-- The same, of what has ended and is no news. $1 is 'ended'.
WITH picked AS MATERIALIZED (
    SELECT b.number
      FROM backfills b
      JOIN workflows w ON w.id = b.workflow_id
     WHERE /* part: ended */ AND (b.status <> 'failed' OR b.completed_at <= $3::timestamptz)
       AND $1::text IS NOT NULL AND $2::text[] IS NOT NULL AND $4::boolean IS NOT NULL AND /* part: wanted */
     ORDER BY b.number DESC
     LIMIT $7
)
/* part: picked */;

-- name: list_by_status
SELECT /* part: columns */
  FROM backfills b
  JOIN workflows w ON w.id = b.workflow_id
  JOIN revisions r ON r.id = b.revision_id
 WHERE b.status = ANY($1::text[]) AND b.deleted_at IS NULL
 ORDER BY b.number;

-- name: find_active_of_workflow
-- Who holds the place that `backfills_one_active` guards.
SELECT id, status
  FROM backfills
 WHERE workflow_id = $1 AND exclusive AND deleted_at IS NULL
   AND status IN ('planning', 'running', 'waiting', 'paused', 'cancelling');

-- name: move_backfill
-- Compare-and-set: no row back means that somebody was faster, or that the lease has another owner by now.
-- The backfill is locked first and the lease second, as whoever takes a lease does; so the lease cannot change hands
-- between the look and the move, and the two never wait for each other in a ring.
-- The look is at the locked row (`target`), which is the present one also if this statement had to wait for it.
-- $1 number   $2 wanted   $3 expected   $4 at   $5 fence (null: whoever asks)   $6..$9 reason   $10 wake at
-- $11 planned at   $12 error   $13 sample open   $14 cancel in flight (these four: null keeps what is there)
-- $15 facts of the reason   $16 codes of what comes and goes, which is told in `outages`   $17 who approves it by that
WITH target AS MATERIALIZED (
    SELECT number, status, reason_code, workflow_id, revision_id
      FROM backfills
     WHERE number = $1 AND deleted_at IS NULL
       FOR NO KEY UPDATE
), owner AS MATERIALIZED (
    SELECT l.backfill_number
      FROM target
      JOIN leases l ON l.backfill_number = target.number
     WHERE l.fence = $5::bigint
       FOR SHARE OF l
), again AS MATERIALIZED (
    -- what is looked at once more, or comes again within a minute, is the same as before
    SELECT o.id, o.began_at
      FROM outages AS o
     WHERE o.backfill_number = $1 AND o.code = $6::text AND o.code = ANY($16::text[])
       AND coalesce(o.ended_at, $4) > $4::timestamptz - interval '1 minute'
     ORDER BY o.id DESC
     LIMIT 1
), moved AS (
    UPDATE backfills b
       SET status = $2,
           version = b.version + 1,
           updated_at = $4,
           completed_at = CASE WHEN $2 IN ('cancelled', 'completed', 'completed_with_failures', 'failed')
                               THEN $4::timestamptz END,
           reason_code = $6, reason_message = $7,
           reason_since = LEAST((SELECT again.began_at FROM again), $8::timestamptz), reason_until = $9,
           reason_facts = $15::json,
           wake_at = $10,
           planned_at = coalesce($11, b.planned_at),
           error = coalesce($12::json, b.error),
           sample_open = coalesce($13, b.sample_open),
           cancel_in_flight = coalesce($14, b.cancel_in_flight),
           approved_by = coalesce($17, b.approved_by),
           approved_at = CASE WHEN $17::text IS NULL THEN b.approved_at ELSE $4 END,
           -- whoever resumes what stopped on a failure has seen the failures so far
           failures_accepted = CASE WHEN target.reason_code = 'too_many_failures' AND target.status = 'paused'
                                    THEN (SELECT p.failed FROM backfill_progress AS p WHERE p.backfill_number = b.number)
                                    ELSE b.failures_accepted END
      FROM target
      LEFT JOIN owner ON owner.backfill_number = target.number
      JOIN workflows w ON w.id = target.workflow_id
      JOIN revisions r ON r.id = target.revision_id
     WHERE b.number = target.number
       AND target.status = ANY($3::text[])
       AND ($5::bigint IS NULL OR owner.backfill_number IS NOT NULL)
    RETURNING /* part: columns */
), ended AS (
    -- The attempts of a backfill that cannot go on would wait for ever.
    UPDATE attempts AS a
       SET finished_at = $4, running_since = NULL, error_class = 'cannot_go_on', error = moved.error ->> 'message'
      FROM moved
     WHERE moved.status = 'failed' AND moved.kind = 'schedule'
       AND a.backfill_number = moved.number AND a.finished_at IS NULL
), told AS (
    -- What the engine does by itself. What people do is written down by whoever does it for them, with their names;
    -- a new `until` or wording for the same reason tells nobody anything, and what comes and goes has rows of its own.
    INSERT INTO audit_log (at, actor, action, backfill_number, subject, reason, old, new)
    SELECT $4, 'system', 'backfill.status', moved.number, 'backfill/' || moved.id,
           coalesce(moved.reason_message, $12::json ->> 'message'),
           json_build_object('status', was.status, 'status_reason', was.code),
           json_build_object('status', is_.status, 'status_reason', is_.code)
      FROM moved
      JOIN target ON target.number = moved.number
     CROSS JOIN LATERAL (
        SELECT CASE WHEN target.reason_code = ANY($16) THEN NULL ELSE target.reason_code END AS code,
               CASE WHEN target.reason_code = ANY($16) AND target.status = 'waiting' THEN 'running'
                    ELSE target.status END AS status) AS was
     CROSS JOIN LATERAL (
        SELECT CASE WHEN moved.reason_code = ANY($16) THEN NULL ELSE moved.reason_code END AS code,
               CASE WHEN moved.reason_code = ANY($16) AND moved.status = 'waiting' THEN 'running'
                    ELSE moved.status END AS status) AS is_
     WHERE $5::bigint IS NOT NULL
       AND (was.status, was.code) IS DISTINCT FROM (is_.status, is_.code)
), noted AS (
    -- for charts and rates; what comes and goes is in the point of its minute
    INSERT INTO progress_points (backfill_number, at, succeeded, failed, skipped, cancelled, retrying, in_flight, credits,
                                 reason_code)
    SELECT moved.number, $4, p.succeeded, p.failed, p.skipped, p.cancelled, p.retrying, 0, p.credits_used,
           moved.reason_code
      FROM moved
      JOIN target ON target.number = moved.number
      JOIN backfill_progress AS p ON p.backfill_number = moved.number
     WHERE (target.status, CASE WHEN target.reason_code = ANY($16) THEN NULL ELSE target.reason_code END)
           IS DISTINCT FROM (moved.status, CASE WHEN moved.reason_code = ANY($16) THEN NULL ELSE moved.reason_code END)
       AND NOT (target.status IN ('running', 'waiting') AND moved.status IN ('running', 'waiting')
                AND (target.reason_code = ANY($16) OR moved.reason_code = ANY($16)))
    ON CONFLICT (backfill_number, at) DO UPDATE
       SET succeeded = excluded.succeeded, failed = excluded.failed, skipped = excluded.skipped,
           cancelled = excluded.cancelled, retrying = excluded.retrying, credits = excluded.credits,
           reason_code = excluded.reason_code
), over AS (
    UPDATE outages AS o
       SET ended_at = $4
      FROM moved
     WHERE o.backfill_number = moved.number AND o.ended_at IS NULL AND o.code IS DISTINCT FROM moved.reason_code
), goes_on AS (
    UPDATE outages AS o
       SET ended_at = NULL, probes = o.probes + 1, message = moved.reason_message
      FROM moved, again
     WHERE o.id = again.id
), begun AS (
    INSERT INTO outages (backfill_number, code, message, began_at)
    SELECT moved.number, moved.reason_code, moved.reason_message, moved.reason_since
      FROM moved
     WHERE moved.reason_code = ANY($16) AND NOT EXISTS (SELECT FROM again)
)
SELECT moved.*, pg_notify('backfilld', moved.number || ' ' || moved.version) FROM moved;

-- name: lock_backfill
-- As it is now, and until this transaction is over; whoever moves it waits, whoever takes its lease, too.
SELECT /* part: columns */
  FROM backfills b
  JOIN workflows w ON w.id = b.workflow_id
  JOIN revisions r ON r.id = b.revision_id
 WHERE b.number = $1 AND b.deleted_at IS NULL
   FOR NO KEY UPDATE OF b;

-- name: change_settings
-- Of a backfill that is locked.
-- $1 number   $2 at   $3 override until   $4 settings   $5 max in flight   $6 name
WITH changed AS (
    UPDATE backfills AS b
       SET version = b.version + 1, updated_at = $2, override_until = $3, settings = $4::json, max_in_flight = $5,
           name = $6
      FROM workflows AS w, revisions AS r
     WHERE b.number = $1 AND w.id = b.workflow_id AND r.id = b.revision_id
    RETURNING /* part: columns */
)
SELECT changed.*, pg_notify('backfilld', changed.number || ' ' || changed.version) FROM changed;

-- name: ask_again
-- No change of settings or status, so the version stays; its owner hears of it all the same.
-- $1 number   $2 at
WITH asked AS (
    UPDATE backfills SET asked_again_at = $2 WHERE number = $1 AND deleted_at IS NULL RETURNING number, version
)
SELECT pg_notify('backfilld', number || ' ' || version) FROM asked;

-- name: mark_deleted
UPDATE backfills
   SET deleted_at = $2
 WHERE number = $1
   AND deleted_at IS NULL
   AND status IN ('cancelled', 'completed', 'completed_with_failures', 'failed')
RETURNING number;

-- name: count_active
-- In the order of `ActiveBackfills`.
SELECT b.status, b.reason_code, count(*)::integer AS number,
       sum(p.planned - p.succeeded - p.failed - p.skipped - p.cancelled - p.retrying)::bigint AS pending,
       sum(p.retrying)::bigint AS retrying,
       max(p.last_recorded_at) AS last_outcome_at,
       min(b.wake_at) FILTER (WHERE b.reason_code = 'outside_window') AS next_opening_at
  FROM backfills AS b
  JOIN backfill_progress AS p ON p.backfill_number = b.number
 WHERE b.status IN ('planning', 'running', 'waiting', 'paused', 'cancelling') AND b.deleted_at IS NULL
 GROUP BY b.status, b.reason_code;

-- name: count_groups
-- What has ended is counted as a whole, and what of it is news taken off.
-- $1 null, for the numbers to be the same as above   $2 to $5 as above
SELECT /* part: group */ AS name, count(*)::integer AS number
  FROM backfills b
  JOIN workflows w ON w.id = b.workflow_id
 WHERE /* part: active */ AND $1::text IS NULL AND /* part: found */
 GROUP BY 1
UNION ALL
SELECT 'ended', count(*)::integer
  FROM backfills b
  JOIN workflows w ON w.id = b.workflow_id
 WHERE /* part: ended */ AND $5::text IS NOT NULL AND /* part: found */
UNION ALL
SELECT 'ended', count(*)::integer FROM backfills b WHERE /* part: ended */ AND $5::text IS NULL
UNION ALL
SELECT 'news', count(*)::integer
  FROM backfills b
  JOIN workflows w ON w.id = b.workflow_id
 WHERE b.status = 'failed' AND b.deleted_at IS NULL AND b.completed_at > $3::timestamptz AND /* part: found */;
