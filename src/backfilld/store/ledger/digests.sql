-- name: list_without_digest
-- Ended backfills whose ledger nobody has read to its end, oldest first. Whoever holds one may still be writing.
-- $1 how many
SELECT b.number, b.id, b.digested_to, b.digest_so_far, p.planned
  FROM backfills AS b
  JOIN backfill_progress AS p ON p.backfill_number = b.number
 WHERE b.ledger_digest IS NULL AND b.digested_to >= 0
   AND b.status IN ('cancelled', 'completed', 'completed_with_failures', 'failed')
   AND NOT EXISTS (
       SELECT FROM leases AS l
        WHERE l.backfill_number = b.number AND NOT l.released AND l.expires_at > clock_timestamp())
 ORDER BY b.number
 LIMIT $1;

-- name: digest_page
-- SHA-256 of what came before and a page of the ledger, a line each, as the HTTP API shows its items.
-- $1 backfill   $2 from position   $3 to position (exclusive)   $4 digest of the pages before
SELECT sha256($4::bytea || convert_to(coalesce(string_agg(item.line, '' ORDER BY item.position), ''), 'UTF8'))
  FROM (SELECT i.position,
               concat(i.position, E'\t', i.entity_id, E'\t',
                      coalesce(o.status::text, CASE WHEN r.position IS NOT NULL THEN 'retrying'
                                                      WHEN p.rest_cancelled_at IS NOT NULL THEN 'cancelled'
                                                      ELSE 'pending' END), E'\t',
                      coalesce(o.attempts, r.tries, 0), E'\t',
                      replace(to_char(coalesce(o.finished_at, CASE WHEN r.position IS NULL THEN p.rest_cancelled_at END)
                                       AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000', ''),
                      E'\t', coalesce(o.error_class, r.error_class), E'\n') AS line
          FROM plan_items AS i
          JOIN backfill_progress AS p ON p.backfill_number = $1
          LEFT JOIN LATERAL (
               SELECT * FROM outcomes WHERE backfill_number = $1 AND position = i.position OFFSET 0) AS o ON true
          LEFT JOIN LATERAL (
               SELECT * FROM retries WHERE backfill_number = $1 AND position = i.position OFFSET 0) AS r ON true
         WHERE i.backfill_number = $1 AND i.position >= $2 AND i.position < $3) AS item;

-- name: note_digest
-- Compare-and-set: of several daemons that read the same page one writes it down.
-- $1 backfill   $2 digested to, before   $3 digested to, now   $4 digest   $5 that is all of it
UPDATE backfills
   SET digested_to = $3, digest_so_far = $4, ledger_digest = CASE WHEN $5::boolean THEN encode($4, 'hex') END
 WHERE number = $1 AND digested_to = $2 AND ledger_digest IS NULL
RETURNING id;

-- name: complete_evidence
-- A statement of its own behind `note_digest`, so that it sees the row of whoever deleted the backfill meanwhile.
-- $1 subject   $2 digest
UPDATE audit_log
   SET old = (old::jsonb || jsonb_build_object('ledger_digest', $2::text))::json
 WHERE action = 'backfill.delete' AND subject = $1;
