-- When an attempt outside of backfills failed last: a target that others have reached since then is not to blame for it.
ALTER TABLE attempts ADD COLUMN last_failed_at timestamptz;
