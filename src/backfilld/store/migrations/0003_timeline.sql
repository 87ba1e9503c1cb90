-- What the engine does to a backfill by itself is told beside what people do: rows of action `backfill.status`, written
-- by the statement that moves the backfill. They are for its timeline, which has its index, and go with the backfill;
-- who did what is read, and forgotten, along an index that leaves them out.

CREATE INDEX audit_log_of_callers ON audit_log (at, id) WHERE action <> 'backfill.status';
