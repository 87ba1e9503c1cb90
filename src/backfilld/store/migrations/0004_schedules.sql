-- Projects that are pushed, schedules, sessions and attempts.
--
-- A session is one slot of a workflow, an attempt one run of it under a name. An attempt of a backfill is run by
-- whoever holds the backfill's lease; every other attempt is leased by itself. Times of sessions are whole seconds.

-- A deleted project gives its name free, and keeps its sessions to be read.
ALTER TABLE projects ADD COLUMN deleted_at timestamptz;
ALTER TABLE projects ADD COLUMN updated_at timestamptz;
UPDATE projects SET updated_at = created_at;
ALTER TABLE projects ALTER COLUMN updated_at SET NOT NULL;
ALTER TABLE projects DROP CONSTRAINT projects_name_key;
CREATE UNIQUE INDEX projects_alive ON projects (name) WHERE deleted_at IS NULL;

-- One push of a project: its files as they came, under a name.
CREATE TABLE project_revisions (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    project_id  bigint      NOT NULL REFERENCES projects,
    name        text        NOT NULL CHECK (name <> ''),
    archive     bytea       NOT NULL,
    archive_md5 text        NOT NULL,
    pushed_by   text        NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (project_id, name)
);
ALTER TABLE revisions ADD COLUMN project_revision_id bigint REFERENCES project_revisions;
CREATE INDEX revisions_of_push ON revisions (project_revision_id) WHERE project_revision_id IS NOT NULL;

ALTER TABLE workflows DROP CONSTRAINT workflows_managed_by_check;
ALTER TABLE workflows ADD CONSTRAINT workflows_managed_by_check CHECK (managed_by IN ('config', 'api', 'push'));

CREATE TABLE project_secrets (
    project_id bigint      NOT NULL REFERENCES projects,
    key        text        NOT NULL CHECK (key <> ''),
    value      text        NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, key)
);

-- Where the schedule of a workflow has got to; what it says stands in the workflow's present revision.
-- A schedule that has no slot any more has both times at 9999-01-01.
CREATE TABLE schedules (
    id              bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    workflow_id     bigint      NOT NULL UNIQUE REFERENCES workflows,
    next_session_at timestamptz NOT NULL CHECK (next_session_at = date_trunc('second', next_session_at)),
    next_run_at     timestamptz NOT NULL,
    last_session_at timestamptz, -- the slot that was fired, or covered by an advancing backfill, last
    skipped_to      timestamptz, -- slots before this were skipped on purpose: no push may bring them back
    disabled_at     timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
CREATE INDEX schedules_due ON schedules (next_run_at) WHERE disabled_at IS NULL;

-- Nothing that sessions and attempts name is ever removed, and they are made by the ten thousand: without references,
-- which would be looked up one by one, a large request takes half the time.
CREATE TABLE sessions (
    id           bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    uuid         uuid        NOT NULL DEFAULT gen_random_uuid(),
    project_id   bigint      NOT NULL,
    workflow_id  bigint      NOT NULL,
    session_time timestamptz NOT NULL CHECK (session_time = date_trunc('second', session_time)),
    attempts     integer     NOT NULL DEFAULT 1 CHECK (attempts >= 1), -- made so far: the index of the last one
    created_at   timestamptz NOT NULL,
    UNIQUE (workflow_id, session_time)
);
CREATE INDEX sessions_of_project ON sessions (project_id, id);
CREATE INDEX sessions_of_workflow ON sessions (workflow_id, id);

CREATE TABLE attempts (
    id                  bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    session_id          bigint      NOT NULL,
    index               integer     NOT NULL CHECK (index >= 1),
    name                text        NOT NULL CHECK (char_length(name) <= 255), -- '': unnamed
    project_id          bigint      NOT NULL,
    workflow_id         bigint      NOT NULL,
    revision_id         bigint      NOT NULL,
    timezone            text        NOT NULL,
    params              json        NOT NULL,
    created_by          text        NOT NULL,
    created_at          timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    started_at          timestamptz, -- first start
    running_since       timestamptz, -- the try that is under way, as far as its runner has said
    finished_at         timestamptz,
    succeeded           boolean     NOT NULL DEFAULT false,
    -- of a backfill
    backfill_no         bigint,     -- not a reference: a session outlives the backfill that made it
    position            integer,
    -- or leased by itself
    holder              text,       -- <instance>/<process>
    fence               bigint      NOT NULL DEFAULT 0,
    lease_until         timestamptz,
    tries               smallint    NOT NULL DEFAULT 0 CHECK (tries >= 0),
    counted             smallint    NOT NULL DEFAULT 0 CHECK (counted >= 0 AND counted <= tries),
    interruptions       smallint    NOT NULL DEFAULT 0 CHECK (interruptions >= 0),
    next_attempt_at     timestamptz, -- between two tries
    message             text        CHECK (octet_length(message) <= 1024),
    result              json,
    credits             numeric,
    error_class         text,
    error               text        CHECK (octet_length(error) <= 4096),
    http_status         smallint,
    UNIQUE (session_id, name),
    UNIQUE (session_id, index),
    CHECK ((backfill_no IS NULL) = (position IS NULL)),
    CHECK (backfill_no IS NULL OR holder IS NULL),
    CHECK ((holder IS NULL) = (lease_until IS NULL)),
    CHECK (finished_at IS NOT NULL OR NOT succeeded),
    CHECK (finished_at IS NULL OR (holder IS NULL AND running_since IS NULL AND next_attempt_at IS NULL))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX attempts_of_backfill ON attempts (backfill_no, position) WHERE backfill_no IS NOT NULL;
CREATE INDEX attempts_unfinished ON attempts (session_id) WHERE finished_at IS NULL;
CREATE INDEX attempts_waiting ON attempts (backfill_no, position) WHERE finished_at IS NULL AND backfill_no IS NOT NULL;
CREATE INDEX attempts_alone ON attempts (id) WHERE finished_at IS NULL AND backfill_no IS NULL;
CREATE INDEX attempts_of_workflow ON attempts (workflow_id, id);
CREATE INDEX attempts_of_project ON attempts (project_id, id);

-- What the executor printed, or the target answered, in each try.
CREATE TABLE attempt_logs (
    attempt_id  bigint      NOT NULL,
    try         smallint    NOT NULL CHECK (try >= 1),
    finished_at timestamptz NOT NULL,
    content     text        NOT NULL,
    PRIMARY KEY (attempt_id, try)
);

-- A backfill over the past times of a schedule.
ALTER TABLE backfills ADD COLUMN schedule_id bigint; -- not a reference: a push may take the schedule away
ALTER TABLE backfills ADD COLUMN session_from timestamptz;
ALTER TABLE backfills ADD COLUMN session_to timestamptz; -- exclusive
ALTER TABLE backfills ADD COLUMN stop_on_failure boolean NOT NULL DEFAULT false;
ALTER TABLE backfills ADD COLUMN failures_accepted integer NOT NULL DEFAULT 0; -- resuming accepts those so far
ALTER TABLE backfills ADD CONSTRAINT backfills_schedule_check
    CHECK ((kind = 'schedule') = (schedule_id IS NOT NULL));
CREATE INDEX backfills_of_schedule ON backfills (schedule_id, no) WHERE schedule_id IS NOT NULL;
