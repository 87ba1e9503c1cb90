-- What the ledger of an ended backfill said, in 32 bytes that outlive it: see docs/operations.md. It is made a page of the
-- plan at a time, so how far it has come is kept too.
ALTER TABLE backfills
    ADD COLUMN ledger_digest text,   -- hex; null until all of it was read
    ADD COLUMN digested_to   integer NOT NULL DEFAULT 0, -- positions below are in `digest_so_far`; -1: never to be made
    ADD COLUMN digest_so_far bytea   NOT NULL DEFAULT '';

-- Some of their rows may be gone already.
UPDATE backfills SET digested_to = -1 WHERE deleted_at IS NOT NULL;

CREATE INDEX backfills_without_digest ON backfills (number)
    WHERE ledger_digest IS NULL AND digested_to >= 0
      AND status IN ('cancelled', 'completed', 'completed_with_failures', 'failed');
