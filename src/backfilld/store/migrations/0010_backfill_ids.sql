-- The ids that a backfill was given stand in a table of their own: its row is read at every look and written at every
-- change of status, and there may be half a million ids. The row says how many there are and their digest: SHA-256 of
-- the ids in their order, a line each.

CREATE TABLE backfill_ids (
    backfill_no bigint  NOT NULL, -- not a reference: they go in pieces when the backfill is deleted
    position    integer NOT NULL CHECK (position >= 0), -- from 0, without gaps
    entity_id   text    NOT NULL COLLATE "C",
    PRIMARY KEY (backfill_no, position)
);
INSERT INTO backfill_ids (backfill_no, position, entity_id)
SELECT b.no, named.number - 1, named.id
  FROM backfills AS b
 CROSS JOIN LATERAL unnest(b.entity_ids) WITH ORDINALITY AS named (id, number);

ALTER TABLE backfills ADD COLUMN entity_ids_count integer; -- null: whatever matches; else only these
ALTER TABLE backfills ADD COLUMN entity_ids_digest text;
UPDATE backfills
   SET entity_ids_count = cardinality(entity_ids),
       entity_ids_digest = encode(sha256(convert_to(array_to_string(entity_ids, E'\n')
                                                    || CASE cardinality(entity_ids) WHEN 0 THEN '' ELSE E'\n' END,
                                                    'UTF8')), 'hex')
 WHERE entity_ids IS NOT NULL;
-- Whoever was planning such a list goes on in it where he was: it was planned in its order.
UPDATE backfills AS b
   SET source_cursor = (SELECT count(*) FROM plan_items AS i WHERE i.backfill_no = b.no)
                     + (SELECT count(*) FROM plan_drafts AS d WHERE d.backfill_no = b.no)
 WHERE entity_ids IS NOT NULL AND planned_at IS NULL;
ALTER TABLE backfills DROP COLUMN entity_ids;
ALTER TABLE backfills ADD CHECK ((entity_ids_count IS NULL) = (entity_ids_digest IS NULL));
