-- The timeline of a backfill that was deleted is found by its id, of which nothing else is left.
CREATE INDEX audit_log_deleted ON audit_log (subject) WHERE action = 'backfill.delete';
