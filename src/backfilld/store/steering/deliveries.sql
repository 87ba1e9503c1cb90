-- part: columns
id, endpoint, event, message, created_at, attempts, next_attempt_at, was_unsure, last_status, last_error, delivered_at,
       dead_at

-- name: add
-- $1 id   $2 endpoint   $3 event   $4 message   $5 now   $6 why nobody tries (null: it is due at once)
INSERT INTO deliveries (id, endpoint, event, message, created_at, next_attempt_at, dead_at, last_error)
VALUES ($1, $2, $3, $4, $5, CASE WHEN $6::text IS NULL THEN $5::timestamptz END,
        CASE WHEN $6::text IS NOT NULL THEN $5::timestamptz END, $6);

-- name: take_due
-- What is being tried is not due for others meanwhile; if whoever tries dies, it is due again then, under the same id.
-- $1 endpoint   $2 now   $3 due again at   $4 how many
WITH due AS (
    SELECT id FROM deliveries
     WHERE endpoint = $1 AND next_attempt_at <= $2
     ORDER BY next_attempt_at, id
     LIMIT $4
       FOR UPDATE SKIP LOCKED
)
UPDATE deliveries AS d
   SET next_attempt_at = $3, is_taken = true, was_unsure = d.was_unsure OR d.is_taken
  FROM due
 WHERE d.id = due.id
RETURNING d.id, d.endpoint, d.event, d.message, d.created_at, d.attempts, d.next_attempt_at, d.was_unsure, d.last_status,
          d.last_error, d.delivered_at, d.dead_at;

-- name: note_try
-- $1 id   $2 next attempt at   $3 delivered at   $4 dead at   $5 status   $6 error   $7 may have arrived
UPDATE deliveries
   SET attempts = attempts + 1, next_attempt_at = $2, delivered_at = $3, dead_at = $4, last_status = $5, last_error = $6,
       was_unsure = $7, is_taken = false
 WHERE id = $1 AND delivered_at IS NULL;

-- name: next_due
-- $1 endpoint
SELECT min(next_attempt_at) FROM deliveries WHERE endpoint = $1 AND next_attempt_at IS NOT NULL;

-- name: give_up
-- What waits for an endpoint that is switched off.
-- $1 endpoint   $2 now   $3 why
UPDATE deliveries SET next_attempt_at = NULL, dead_at = $2, last_error = $3
 WHERE endpoint = $1 AND next_attempt_at IS NOT NULL;

-- name: resend
-- $1 endpoint   $2 id (null: every dead one)   $3 now
UPDATE deliveries
   SET attempts = 0, is_taken = false, next_attempt_at = $3, dead_at = NULL, delivered_at = NULL
 WHERE endpoint = $1 AND (id = $2 OR ($2 IS NULL AND dead_at IS NOT NULL)) AND next_attempt_at IS NULL
RETURNING id;

-- name: find
-- $1 endpoint   $2 id
SELECT /* part: columns */ FROM deliveries WHERE endpoint = $1 AND id = $2;

-- name: list
-- Newest first.
-- $1 endpoint   $2 state (null: any)   $3 before this time   $4 and before this id of it   $5 how many
SELECT /* part: columns */
  FROM deliveries
 WHERE endpoint = $1
   AND (created_at, id) < ($3::timestamptz, $4::uuid)
   AND CASE $2::text
            WHEN 'pending' THEN next_attempt_at IS NOT NULL
            WHEN 'delivered' THEN delivered_at IS NOT NULL
            WHEN 'dead' THEN dead_at IS NOT NULL
            ELSE true
       END
 ORDER BY created_at DESC, id DESC
 LIMIT $5;

-- name: summarize
-- $1 endpoint
SELECT count(*) FILTER (WHERE next_attempt_at IS NOT NULL)::integer AS pending,
       count(*) FILTER (WHERE dead_at IS NOT NULL)::integer AS dead,
       max(delivered_at) AS last_delivered_at
  FROM deliveries
 WHERE endpoint = $1;

-- name: forget
-- $1 before
DELETE FROM deliveries WHERE created_at < $1 AND next_attempt_at IS NULL;

-- name: list_switches
SELECT endpoint, off_at, why, address FROM notification_switches;

-- name: switch_off
-- $1 endpoint   $2 at   $3 why   $4 address
INSERT INTO notification_switches (endpoint, off_at, why, address) VALUES ($1, $2, $3, $4)
ON CONFLICT (endpoint) DO UPDATE SET off_at = $2, why = $3, address = $4;

-- name: switch_on
-- $1 endpoint
DELETE FROM notification_switches WHERE endpoint = $1 RETURNING endpoint;
