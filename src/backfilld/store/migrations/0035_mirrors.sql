-- Workflows whose schedule stands on an engine: what is read from there, and run there, but never fired here.

ALTER TABLE workflows DROP CONSTRAINT workflows_managed_by_check;
ALTER TABLE workflows ADD CONSTRAINT workflows_managed_by_check CHECK (managed_by IN ('config', 'api', 'push', 'mirror'));

CREATE TABLE mirrors (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    workflow_id bigint      NOT NULL UNIQUE REFERENCES workflows,
    engine      text        NOT NULL CHECK (engine <> ''),
    project     text        NOT NULL CHECK (project <> ''),  -- there, as the next three
    workflow    text        NOT NULL CHECK (workflow <> ''),
    project_id  text        NOT NULL,
    schedule_id text        NOT NULL,
    advance_to  timestamptz, -- the run time at which the schedule there is still to go on; null: nowhere
    read_at     timestamptz NOT NULL,
    problem     text,        -- why it could not be read since; null: it could
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (engine, project, workflow)
);
