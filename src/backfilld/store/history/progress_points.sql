-- part: columns
at, succeeded, failed, skipped, cancelled, retrying, in_flight, credits, reason_code

-- name: note_minute
-- One row for each active backfill that has none since the minute began. What stands still has one row, until it moves.
-- $1 now   $2 the beginning of the minute
INSERT INTO progress_points (backfill_number, at, succeeded, failed, skipped, cancelled, retrying, in_flight, credits,
                             reason_code)
SELECT b.number, $1, p.succeeded, p.failed, p.skipped, p.cancelled, p.retrying, coalesce(l.in_flight, 0),
       p.credits_used, b.reason_code
  FROM backfills AS b
  JOIN backfill_progress AS p ON p.backfill_number = b.number
  LEFT JOIN leases AS l ON l.backfill_number = b.number AND NOT l.released AND l.expires_at > clock_timestamp()
  LEFT JOIN LATERAL (SELECT * FROM progress_points AS o WHERE o.backfill_number = b.number ORDER BY o.at DESC LIMIT 1)
       AS last ON true
 WHERE b.status IN ('planning', 'running', 'waiting', 'paused', 'cancelling') AND b.deleted_at IS NULL
   AND (last.at IS NULL
        OR (last.at < $2
            AND (b.status IN ('planning', 'running', 'cancelling')
                 OR (last.succeeded, last.failed, last.skipped, last.cancelled, last.retrying, last.reason_code)
                    IS DISTINCT FROM (p.succeeded, p.failed, p.skipped, p.cancelled, p.retrying, b.reason_code))))
ON CONFLICT DO NOTHING;

-- name: list_samples
-- The last point of each step, and the one before the first step, on which it stands.
-- $1 backfill   $2 from   $3 to   $4 step
(SELECT /* part: columns */
   FROM progress_points
  WHERE backfill_number = $1 AND at < $2
  ORDER BY at DESC
  LIMIT 1)
UNION ALL
(SELECT DISTINCT ON (date_bin($4, at, 'epoch')) /* part: columns */
   FROM progress_points
  WHERE backfill_number = $1 AND at >= $2 AND at < $3
  ORDER BY date_bin($4, at, 'epoch'), at DESC);

-- name: find_bounds
-- $1 backfill
SELECT min(at) AS first_at, max(at) AS last_at FROM progress_points WHERE backfill_number = $1;

-- name: list_latest
-- The newest points of each of some backfills, newest first.
-- $1 backfills   $2 how many of each
SELECT number AS backfill_number, latest.*
  FROM unnest($1::bigint[]) AS number
 CROSS JOIN LATERAL (
       SELECT /* part: columns */
         FROM progress_points
        WHERE backfill_number = number
        ORDER BY at DESC
        LIMIT $2) AS latest;
