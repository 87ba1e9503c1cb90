-- How a backfill went, for charts and rates: its cumulative counters once a minute while it works, and at each move of its
-- status. A minute that is missing loses resolution and no truth. Thinned as it grows old, gone with its backfill.
CREATE TABLE progress_points (
    backfill_number bigint      NOT NULL REFERENCES backfills (number) ON DELETE CASCADE,
    at              timestamptz NOT NULL,
    succeeded       integer     NOT NULL,
    failed          integer     NOT NULL,
    skipped         integer     NOT NULL,
    cancelled       integer     NOT NULL,
    retrying        integer     NOT NULL,
    in_flight       integer     NOT NULL,
    credits         numeric     NOT NULL,
    reason_code     text,
    PRIMARY KEY (backfill_number, at)
);
CREATE INDEX progress_points_by_age ON progress_points (at);
