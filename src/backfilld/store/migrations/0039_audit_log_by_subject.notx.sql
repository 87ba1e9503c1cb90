-- What was done to a schedule, and who changed a setting last, is read along an index, however much else was done.
-- Made without keeping anybody from writing.
DROP INDEX CONCURRENTLY IF EXISTS audit_log_of_subjects;
CREATE INDEX CONCURRENTLY audit_log_of_subjects ON audit_log (subject, at, id)
    WHERE action NOT IN ('backfill.status', 'backfill.taken_over');
DROP INDEX CONCURRENTLY IF EXISTS audit_log_of_changes;
CREATE INDEX CONCURRENTLY audit_log_of_changes ON audit_log (backfill_number, id)
    WHERE action IN ('backfill.change', 'backfill.approve');
