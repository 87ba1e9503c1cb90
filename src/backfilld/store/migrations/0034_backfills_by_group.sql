-- The overview reads each group along an index of its own, however many backfills have ended.
CREATE INDEX backfills_ended ON backfills (number)
    WHERE status IN ('completed', 'completed_with_failures', 'cancelled', 'failed') AND deleted_at IS NULL;
-- What failed lately needs a person.
CREATE INDEX backfills_failed ON backfills (completed_at)
    WHERE status = 'failed' AND deleted_at IS NULL;
