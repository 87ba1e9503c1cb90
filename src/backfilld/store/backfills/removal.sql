-- What may go, a bounded number of rows a statement. Nothing here locks a row that a running backfill writes, and no
-- statement is part of a longer transaction: whoever waits behind one waits for milliseconds.

-- part: evidence
-- What the audit log keeps of backfill b, with its progress p and its workflow w, when its rows go. A digest that is yet to
-- be made is written into it later.
json_build_object(
           'status', b.status, 'name', b.name, 'kind', b.kind, 'entity_type', b.entity_type,
           'workflow_id', b.workflow_id, 'workflow', w.name,
           'planned', p.planned, 'succeeded', p.succeeded, 'failed', p.failed, 'skipped', p.skipped,
           'cancelled', p.cancelled, 'credits_used', p.credits_used,
           'created_by', b.created_by, 'approved_by', b.approved_by,
           'created_at', b.created_at, 'started_at', p.started_at, 'completed_at', b.completed_at,
           'ledger_digest', b.ledger_digest)

-- name: read_evidence
-- $1 backfill
SELECT /* part: evidence */
  FROM backfills AS b
  JOIN backfill_progress AS p ON p.backfill_number = b.number
  JOIN workflows AS w ON w.id = b.workflow_id
 WHERE b.number = $1;

-- name: hide_expired
-- Ended backfills that are old enough, hidden as by DELETE; their rows go later. One whose rerun is still active stays.
-- $1 ended before   $2 now   $3 why   $4 how many
WITH expired AS (
    SELECT b.number
      FROM backfills AS b
     WHERE b.deleted_at IS NULL
       AND b.status IN ('cancelled', 'completed', 'completed_with_failures', 'failed')
       AND b.completed_at < $1
       AND NOT EXISTS (
           SELECT FROM backfills AS child
            WHERE child.parent_number = b.number AND child.deleted_at IS NULL
              AND child.status IN ('planning', 'running', 'waiting', 'paused', 'cancelling'))
     ORDER BY b.number
     LIMIT $4
       FOR NO KEY UPDATE OF b SKIP LOCKED
), hidden AS (
    UPDATE backfills AS b
       SET deleted_at = $2
      FROM expired
     WHERE b.number = expired.number
    RETURNING b.*
), told AS (
    INSERT INTO audit_log (at, actor, action, backfill_number, subject, reason, old)
    SELECT $2, 'system', 'backfill.delete', b.number, 'backfill/' || b.id, $3, /* part: evidence */
      FROM hidden AS b
      JOIN backfill_progress AS p ON p.backfill_number = b.number
      JOIN workflows AS w ON w.id = b.workflow_id
)
SELECT hidden.id, w.name AS workflow
  FROM hidden
  JOIN workflows AS w ON w.id = hidden.workflow_id;

-- name: list_hidden
-- Hidden backfills whose outcomes are remembered and whose ledgers have their digests: their rows may go.
SELECT b.number, b.id, p.planned
  FROM backfills AS b
  JOIN backfill_progress AS p ON p.backfill_number = b.number
 WHERE b.deleted_at IS NOT NULL AND (p.remembered OR p.planned = 0)
   AND (b.ledger_digest IS NOT NULL OR b.digested_to < 0)
 ORDER BY b.number;

-- name: delete_positions
-- $1 backfill   $2 from position   $3 to position (exclusive)
WITH gone_outcomes AS (
    DELETE FROM outcomes WHERE backfill_number = $1 AND position >= $2 AND position < $3 RETURNING 1
), gone_retries AS (
    DELETE FROM retries WHERE backfill_number = $1 AND position >= $2 AND position < $3 RETURNING 1
), gone_tries AS (
    DELETE FROM tries WHERE backfill_number = $1 AND position >= $2 AND position < $3 RETURNING 1
), gone_samples AS (
    DELETE FROM sample_items WHERE backfill_number = $1 AND position >= $2 AND position < $3 RETURNING 1
), gone_gaps AS (
    DELETE FROM plan_gaps WHERE backfill_number = $1 AND past > $2 AND past <= $3 RETURNING 1
), gone_items AS (
    DELETE FROM plan_items WHERE backfill_number = $1 AND position >= $2 AND position < $3 RETURNING 1
)
SELECT (SELECT count(*) FROM gone_outcomes) + (SELECT count(*) FROM gone_retries) + (SELECT count(*) FROM gone_tries)
     + (SELECT count(*) FROM gone_samples) + (SELECT count(*) FROM gone_gaps) + (SELECT count(*) FROM gone_items);

-- name: delete_drafts
-- $1 backfill   $2 how many
WITH gone AS (
    DELETE FROM plan_drafts
     WHERE backfill_number = $1
       AND entity_id IN (SELECT entity_id FROM plan_drafts WHERE backfill_number = $1 ORDER BY entity_id LIMIT $2)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: delete_ids
-- $1 backfill   $2 how many
WITH gone AS (
    DELETE FROM backfill_ids
     WHERE backfill_number = $1
       AND position IN (SELECT position FROM backfill_ids WHERE backfill_number = $1 ORDER BY position LIMIT $2)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: delete_moves
-- What the engine did by itself is of interest as long as there is a timeline to read it in.
-- $1 backfill   $2 how many
WITH gone AS (
    DELETE FROM audit_log
     WHERE id IN (SELECT id
                    FROM audit_log
                   WHERE backfill_number = $1 AND action IN ('backfill.status', 'backfill.taken_over')
                   ORDER BY id
                   LIMIT $2)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: delete_backfill
-- $1 backfill
WITH gone AS (
    DELETE FROM backfills WHERE number = $1 AND deleted_at IS NOT NULL RETURNING 1
)
SELECT count(*) FROM gone;

-- name: delete_events
-- Who did what, before a time; along the index that holds nothing else.
-- $1 before   $2 how many
WITH gone AS (
    DELETE FROM audit_log
     WHERE id IN (SELECT id
                    FROM audit_log
                   WHERE action NOT IN ('backfill.status', 'backfill.taken_over') AND at < $1
                   ORDER BY at, id
                   LIMIT $2)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: list_entity_types
SELECT name FROM entity_types ORDER BY name;

-- name: find_stale_entities
-- A page of a type's entities is looked at, and nothing is locked: which of them have not changed since a time.
-- $1 entity type   $2 id that the page starts behind   $3 not changed since   $4 how many to look at
SELECT max(id) AS last_id, coalesce(array_agg(id) FILTER (WHERE loaded_at < $3), '{}') AS stale
  FROM (SELECT id, loaded_at
          FROM entities
         WHERE entity_type = $1 AND id > $2
         ORDER BY id
         LIMIT $4) AS page;

-- name: delete_stale_entities
-- Those that were found, unless they have been loaded anew meanwhile. The type's row is locked as by every change of
-- entities, so that its count stays true. The type is the parameter wherever an entity is looked for: with the column
-- of the locked row in its place the table would be read once for every one of them.
-- $1 entity type   $2 ids   $3 not changed since
WITH locked AS MATERIALIZED (
    SELECT name FROM entity_types WHERE name = $1 FOR UPDATE
), gone AS (
    DELETE FROM entities AS e
     USING unnest($2::text[]) AS stale (id)
     WHERE e.entity_type = $1 AND e.id = stale.id AND e.loaded_at < $3 AND EXISTS (SELECT FROM locked)
    RETURNING 1
), counted AS (
    UPDATE entity_types
       SET entities = entities - (SELECT count(*) FROM gone)
     WHERE name = $1 AND EXISTS (SELECT FROM gone)
)
SELECT count(*) FROM gone;

-- name: thin_points
-- Of the points in a stretch of time the last of each step stays. Those that end a stretch of work among them.
-- $1 since   $2 until   $3 step
DELETE FROM progress_points AS p
 USING (SELECT backfill_number, at,
               row_number() OVER (PARTITION BY backfill_number, date_bin($3, at, 'epoch') ORDER BY at DESC) AS place
          FROM progress_points
         WHERE at >= $1 AND at < $2) AS found
 WHERE p.backfill_number = found.backfill_number AND p.at = found.at AND found.place > 1;
