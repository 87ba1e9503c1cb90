-- Since when an attempt outside of backfills waits to be taken again: if that lies in the future the wall clock has been set
-- back, and it shall not wait for so much longer.
ALTER TABLE attempts ADD COLUMN waits_since timestamptz;
