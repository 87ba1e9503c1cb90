-- Since then everything of the backfill that has no outcome is cancelled: a million rows would say no more. Those that were
-- written before stay, and mean the same.
ALTER TABLE backfill_progress ADD COLUMN rest_cancelled_at timestamptz;
