-- What is worth telling people. A change writes its notice itself, in its own transaction, whoever makes it: so none is
-- told that was not committed, and none that was is lost.

CREATE TABLE notices (
    id              bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY, -- grows with what happened to one backfill
    event           text        NOT NULL,
    backfill_number bigint      REFERENCES backfills (number) ON DELETE CASCADE,
    brake           text,
    at              timestamptz NOT NULL,
    episode_at      timestamptz, -- when what held it up began
    facts           json        NOT NULL,
    handed_out_at   timestamptz, -- when it became deliveries
    CHECK (num_nonnulls(backfill_number, brake) = 1)
);
CREATE UNIQUE INDEX notices_once ON notices (backfill_number, event, episode_at) WHERE episode_at IS NOT NULL;
CREATE INDEX notices_of_backfill ON notices (backfill_number);
CREATE INDEX notices_new ON notices (id) WHERE handed_out_at IS NULL;
CREATE INDEX notices_by_age ON notices (at);

-- One message for one endpoint, until it has arrived, or nobody tries any more.
CREATE TABLE deliveries (
    id              uuid        PRIMARY KEY, -- stays the same over all tries
    endpoint        text        NOT NULL,
    event           text        NOT NULL,
    message         json        NOT NULL,
    created_at      timestamptz NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    is_taken        boolean     NOT NULL DEFAULT false, -- somebody tries it, or died while doing so
    was_unsure      boolean     NOT NULL DEFAULT false, -- a try may have arrived although nothing said so
    last_status     integer,
    last_error      text,
    delivered_at    timestamptz,
    dead_at         timestamptz,
    CHECK (num_nonnulls(next_attempt_at, delivered_at, dead_at) = 1)
);
CREATE INDEX deliveries_due ON deliveries (endpoint, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_of_endpoint ON deliveries (endpoint, created_at, id);
CREATE INDEX deliveries_by_age ON deliveries (created_at);

-- An endpoint that answered 410 wants nothing more. `address` tells whether it is still the same one.
CREATE TABLE notification_switches (
    endpoint text        PRIMARY KEY,
    off_at   timestamptz NOT NULL,
    why      text        NOT NULL,
    address  text        NOT NULL
);

-- How a backfill stands, as its notices keep it.
CREATE FUNCTION notice_facts(b backfills) RETURNS json LANGUAGE sql STABLE AS $facts$
    SELECT json_build_object(
               'status', b.status, 'reason_code', b.reason_code, 'reason_message', b.reason_message,
               'reason_since', b.reason_since, 'reason_until', b.reason_until, 'error', b.error,
               'planned', p.planned, 'succeeded', p.succeeded, 'failed', p.failed, 'skipped', p.skipped,
               'cancelled', p.cancelled)
      FROM (SELECT 1) AS always
      LEFT JOIN backfill_progress AS p ON p.backfill_number = b.number
$facts$;

CREATE FUNCTION write_notice() RETURNS trigger LANGUAGE plpgsql AS $notice$
DECLARE
    event text := CASE
        WHEN TG_OP = 'INSERT' THEN 'created'
        WHEN NEW.status = 'paused' AND NEW.reason_code IN ('awaiting_approval', 'sample_done') THEN NEW.reason_code
        WHEN NEW.status = 'paused' AND NEW.reason_code IN ('too_many_failures', 'budget_exhausted') THEN 'stopped'
        WHEN NEW.status IN ('completed', 'completed_with_failures', 'cancelled', 'failed') THEN NEW.status
    END;
BEGIN
    IF event IS NOT NULL THEN
        INSERT INTO notices (event, backfill_number, at, facts)
        VALUES (event, NEW.number, NEW.updated_at, notice_facts(NEW));
    END IF;
    RETURN NULL;
END
$notice$;

CREATE TRIGGER backfills_made AFTER INSERT ON backfills FOR EACH ROW EXECUTE FUNCTION write_notice();
CREATE TRIGGER backfills_moved AFTER UPDATE OF status, reason_code ON backfills FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.reason_code IS DISTINCT FROM NEW.reason_code)
    EXECUTE FUNCTION write_notice();
