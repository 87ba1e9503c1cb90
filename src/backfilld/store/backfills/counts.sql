-- name: count_active_backfills
SELECT status, reason_code, count(*)::integer AS number
  FROM backfills
 WHERE status IN ('planning', 'running', 'waiting', 'paused', 'cancelling') AND deleted_at IS NULL
 GROUP BY status, reason_code;
