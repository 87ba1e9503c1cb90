-- name: note_held_up
-- Once an episode: what holds a backfill up for so long that somebody should look. The code is kept with it.
-- $1 now   $2 codes   $3 began at or before
INSERT INTO notices (event, backfill_number, at, episode_at, facts)
SELECT 'held_up', b.number, $1, b.reason_since, notice_facts(b)
  FROM backfills AS b
 WHERE b.status IN ('planning', 'running', 'waiting') AND b.deleted_at IS NULL
   AND b.reason_code = ANY($2::text[]) AND b.reason_since <= $3
   AND NOT EXISTS (SELECT FROM notices AS n
                    WHERE n.backfill_number = b.number AND n.event = 'held_up' AND n.episode_at = b.reason_since)
ON CONFLICT DO NOTHING;

-- name: note_recovered
-- What was told to be held up, and is not any more. What comes again within a minute is the same episode.
-- $1 now   $2 ended before   $3 told after
INSERT INTO notices (event, backfill_number, at, episode_at, facts)
SELECT 'recovered', b.number, $1, n.episode_at, notice_facts(b)
  FROM notices AS n
  JOIN backfills AS b ON b.number = n.backfill_number
 WHERE n.event = 'held_up' AND n.at > $3 AND b.deleted_at IS NULL
   AND b.status IN ('running', 'waiting', 'completed', 'completed_with_failures')
   AND b.reason_code IS DISTINCT FROM (n.facts ->> 'reason_code')
   AND NOT EXISTS (SELECT FROM outages AS o
                    WHERE o.backfill_number = b.number AND o.code = n.facts ->> 'reason_code'
                      AND coalesce(o.ended_at, 'infinity') > $2)
   AND NOT EXISTS (SELECT FROM notices AS r
                    WHERE r.backfill_number = b.number AND r.event = 'recovered' AND r.episode_at = n.episode_at)
ON CONFLICT DO NOTHING;

-- name: take_new
-- Whoever takes them makes deliveries of them in the same transaction; others go on with the next ones.
-- $1 now   $2 how many
WITH taken AS (
    SELECT id FROM notices WHERE handed_out_at IS NULL ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE notices AS n SET handed_out_at = $1 FROM taken WHERE n.id = taken.id
    RETURNING n.id, n.event, n.at, n.facts, n.backfill_number, n.brake
)
SELECT m.id, m.event, m.at, m.facts, m.brake, b.id AS backfill_id, b.name, p.name || '/' || w.name AS workflow,
       CASE m.event
            WHEN 'created' THEN b.created_by
            WHEN 'cancelled' THEN (SELECT a.actor FROM audit_log AS a
                                    WHERE a.backfill_number = b.number AND a.action = 'backfill.cancel'
                                    ORDER BY a.id DESC LIMIT 1)
       END AS by
  FROM marked AS m
  LEFT JOIN backfills AS b ON b.number = m.backfill_number
  LEFT JOIN workflows AS w ON w.id = b.workflow_id
  LEFT JOIN projects AS p ON p.id = w.project_id
 ORDER BY m.id;

-- name: pass_over
-- What nobody wanted to hear in time, and shall not be told once somebody does.
-- $1 now   $2 before
UPDATE notices SET handed_out_at = $1 WHERE handed_out_at IS NULL AND at < $2;

-- name: forget_notices
-- $1 before
DELETE FROM notices WHERE at < $1;
