-- The ledger by what is rare in it: what was skipped or cancelled, failures of a class, failures of a group. Successes are in
-- none of these indexes. All begin with an expression, so that none is ever taken for the key of an item, and each says in its
-- own words what it holds, so that none is taken for another. Each is made without keeping anybody from writing; one that was
-- left half made is made anew.
DROP INDEX CONCURRENTLY IF EXISTS outcomes_unusual;
CREATE INDEX CONCURRENTLY outcomes_unusual ON outcomes ((backfill_number + 0), status, position) WHERE status IN ('skipped', 'cancelled');
DROP INDEX CONCURRENTLY IF EXISTS outcomes_by_class;
CREATE INDEX CONCURRENTLY outcomes_by_class ON outcomes ((backfill_number + 0), error_class, position) WHERE error_class IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS outcomes_by_group;
CREATE INDEX CONCURRENTLY outcomes_by_group ON outcomes ((backfill_number + 0), fingerprint, position) WHERE fingerprint IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS outcomes_by_fingerprint;
