-- Failures are grouped by class and message when they are recorded. Failures of before are grouped later, in the background.
-- The indexes hold failures alone, and the second one only those that have no group yet. Each is made without keeping
-- anybody from writing; one that was left half made is made anew.
ALTER TABLE outcomes ADD COLUMN IF NOT EXISTS fingerprint bytea;
DROP INDEX CONCURRENTLY IF EXISTS outcomes_by_fingerprint;
CREATE INDEX CONCURRENTLY outcomes_by_fingerprint ON outcomes (backfill_number, fingerprint, position) WHERE status = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS outcomes_without_fingerprint;
CREATE INDEX CONCURRENTLY outcomes_without_fingerprint ON outcomes (backfill_number, position) WHERE status = 'failed' AND fingerprint IS NULL;
