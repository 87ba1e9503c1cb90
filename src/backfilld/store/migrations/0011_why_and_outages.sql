-- Why a backfill stands still is kept as values, too, so that whoever shows it writes the sentence; and what comes and
-- goes while it works (a target that is away, a limit, retries) is told as one row with beginning and end, not as two
-- rows each time. Ids come from the log's own sequence: a timeline is both, in one order.

ALTER TABLE backfills ADD COLUMN reason_facts json;

CREATE TABLE outages (
    id          bigint      PRIMARY KEY DEFAULT nextval('audit_log_id_seq'),
    backfill_no bigint      NOT NULL REFERENCES backfills (no) ON DELETE CASCADE,
    code        text        NOT NULL,
    message     text        NOT NULL,
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz,
    probes      integer     NOT NULL DEFAULT 1 -- how often it was looked at, or came again within a minute
);
CREATE INDEX outages_of_backfill ON outages (backfill_no, id);

-- Who owns a backfill is the engine's doing like its moves, and is found where these are.
DROP INDEX audit_log_of_callers;
CREATE INDEX audit_log_of_callers ON audit_log (at, id)
 WHERE action NOT IN ('backfill.status', 'backfill.taken_over');
CREATE INDEX audit_log_of_stops ON audit_log (at) WHERE action IN ('daemon.stop_all', 'daemon.start_all');
