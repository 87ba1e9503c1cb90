-- What is kept of brakes, for all daemons on this database: a latch outlives restarts, and a release ends by itself.

CREATE TABLE brake_states (
    name           text        PRIMARY KEY,
    critical_at    timestamptz,
    critical_value double precision,
    released_until timestamptz,
    released_by    text,
    release_reason text,
    CHECK ((critical_at IS NULL) = (critical_value IS NULL)),
    CHECK ((released_until IS NULL) = (released_by IS NULL))
);

-- Each time a brake held: one row, whatever number of backfills it held.
CREATE TABLE brake_episodes (
    id       bigint           PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    brake    text             NOT NULL,
    why      text             NOT NULL,
    began_at timestamptz      NOT NULL,
    ended_at timestamptz,
    worst    double precision,
    CHECK (ended_at >= began_at)
);
CREATE UNIQUE INDEX brake_episodes_open ON brake_episodes (brake) WHERE ended_at IS NULL;
CREATE INDEX brake_episodes_of ON brake_episodes (brake, began_at);
