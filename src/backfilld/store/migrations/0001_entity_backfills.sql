-- The tables of entity backfills, and the ground that schedules will stand on.
--
-- Two rules run through this file. CHECKs make nonsense unstorable. Nothing that a success writes is
-- updated or indexed beyond its key: an outcome is one appended row, whatever else there is to know.
-- Times are always handed in by the program; only leases read the database's clock.

CREATE TABLE projects (
    id         bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name       text        NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL
);

-- Workflows and their revisions draw their ids from one sequence, so that one number names either.
CREATE SEQUENCE workflow_ids AS bigint;

CREATE TABLE workflows (
    id          bigint      PRIMARY KEY DEFAULT nextval('workflow_ids'),
    project_id  bigint      NOT NULL REFERENCES projects,
    name        text        NOT NULL CHECK (name <> ''),
    managed_by  text        NOT NULL CHECK (managed_by IN ('config', 'api')),
    enabled     boolean     NOT NULL DEFAULT true,
    revision_id bigint,     -- the present one; null only inside the transaction that makes the workflow
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    deleted_at  timestamptz,
    UNIQUE (project_id, name)
);

-- What a workflow was at some time. A backfill keeps the revision it was created with.
CREATE TABLE revisions (
    id          bigint      PRIMARY KEY DEFAULT nextval('workflow_ids'),
    workflow_id bigint      NOT NULL REFERENCES workflows,
    version     integer     NOT NULL,
    definition  json        NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (workflow_id, version)
);

ALTER TABLE workflows ADD FOREIGN KEY (revision_id) REFERENCES revisions DEFERRABLE INITIALLY DEFERRED;

-- `no` is what the ledger refers to: 8 bytes instead of a UUID's 16, twice in every outcome.
CREATE TABLE backfills (
    no                  bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id                  uuid        NOT NULL UNIQUE,
    kind                text        NOT NULL CHECK (kind IN ('entities', 'schedule')),
    parent_no           bigint      REFERENCES backfills ON DELETE SET NULL,
    parent_id           uuid,       -- kept when the parent is deleted
    workflow_id         bigint      NOT NULL REFERENCES workflows,
    revision_id         bigint      NOT NULL REFERENCES revisions,
    entity_type         text,
    filter_spec         json,
    filter_resolved     json,
    entity_ids          text[],     -- null: whatever matches; else only these
    windows             json,       -- null: always open
    timezone            text        NOT NULL,
    excluded_dates      date[]      NOT NULL DEFAULT '{}',
    max_in_flight       integer     NOT NULL CHECK (max_in_flight BETWEEN 1 AND 1000),
    max_attempts        integer     NOT NULL CHECK (max_attempts BETWEEN 1 AND 20),
    item_order          text        NOT NULL CHECK (item_order IN ('source', 'newest_first', 'oldest_first')),
    reprocess_behavior  text        NOT NULL CHECK (reprocess_behavior IN ('none', 'failed', 'completed')),
    start_mode          text        NOT NULL CHECK (start_mode IN ('now', 'when_approved')),
    sample_size         integer     CHECK (sample_size BETWEEN 1 AND 10000),
    sample_open         boolean     NOT NULL DEFAULT false, -- the sample is drawn and not yet done
    params              json        NOT NULL DEFAULT '{}',
    total_estimated     bigint      CHECK (total_estimated >= 0),
    name                text,
    reason              text,
    credits_per_entity  numeric     CHECK (credits_per_entity >= 0),
    exclusive           boolean     NOT NULL,
    created_by          text        NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    completed_at        timestamptz,
    error               json,
    version             bigint      NOT NULL DEFAULT 1,
    status              text        NOT NULL CHECK (status IN (
                            'planning', 'running', 'waiting', 'paused', 'cancelling',
                            'cancelled', 'completed', 'completed_with_failures', 'failed')),
    reason_code         text,
    reason_message      text,
    reason_since        timestamptz,
    reason_until        timestamptz,
    -- what `resume` goes back to; and, while planning, where the plan had got to
    planned_at          timestamptz,
    source_cursor       text,
    -- when the scheduler must look at it again; null: only when nudged
    wake_at             timestamptz,
    cancel_in_flight    boolean     NOT NULL DEFAULT false,
    deleted_at          timestamptz,
    CHECK ((reason_code IS NULL) = (reason_since IS NULL)),
    CHECK ((completed_at IS NOT NULL) = (status IN ('cancelled', 'completed', 'completed_with_failures', 'failed'))),
    CHECK (status NOT IN ('running', 'waiting', 'completed', 'completed_with_failures') OR planned_at IS NOT NULL),
    CHECK (kind <> 'entities' OR (entity_type IS NOT NULL AND filter_spec IS NOT NULL AND windows IS NOT NULL)),
    CHECK (kind <> 'schedule' OR NOT exclusive)
);

-- One active backfill per workflow, held by the database and not by a look before the leap.
CREATE UNIQUE INDEX backfills_one_active ON backfills (workflow_id)
    WHERE exclusive AND deleted_at IS NULL
      AND status IN ('planning', 'running', 'waiting', 'paused', 'cancelling');
-- What the scheduler looks at; everything that has ended is outside.
CREATE INDEX backfills_active ON backfills (no)
    WHERE status IN ('planning', 'running', 'waiting', 'paused', 'cancelling');
CREATE INDEX backfills_of_workflow ON backfills (workflow_id, no);
CREATE INDEX backfills_deleted ON backfills (no) WHERE deleted_at IS NOT NULL;

-- The counters of a backfill, apart from its settings, so that a recorder never waits for an operator.
-- Grown by the rows that a statement really wrote, in that statement. Updated in place: no index but the key.
CREATE TABLE backfill_progress (
    backfill_no       bigint PRIMARY KEY REFERENCES backfills ON DELETE CASCADE,
    fence             bigint  NOT NULL DEFAULT 0,
    planned           integer NOT NULL DEFAULT 0 CHECK (planned >= 0),
    skipped_in_plan   integer NOT NULL DEFAULT 0 CHECK (skipped_in_plan >= 0),
    succeeded         integer NOT NULL DEFAULT 0 CHECK (succeeded >= 0),
    failed            integer NOT NULL DEFAULT 0 CHECK (failed >= 0),
    skipped           integer NOT NULL DEFAULT 0 CHECK (skipped >= 0),
    cancelled         integer NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    retrying          integer NOT NULL DEFAULT 0 CHECK (retrying >= 0),
    credits_used      numeric NOT NULL DEFAULT 0,
    low_water_mark    integer NOT NULL DEFAULT 0 CHECK (low_water_mark >= 0),
    remembered_mark   integer NOT NULL DEFAULT 0, -- up to here last_runs knows the outcomes of an ended backfill
    remembered        boolean NOT NULL DEFAULT false, -- it knows them all
    alone_position    integer, -- the item that was started by itself after an unclean end
    alone_holder      text,
    throughput        double precision NOT NULL DEFAULT 0, -- items a second, lately
    started_at        timestamptz,
    last_recorded_at  timestamptz,
    CHECK (succeeded + failed + skipped + cancelled + retrying <= planned),
    CHECK (skipped_in_plan <= skipped)
) WITH (fillfactor = 40);

CREATE TABLE plan_items (
    backfill_no bigint  NOT NULL,
    position    integer NOT NULL CHECK (position >= 0),
    entity_id   text    NOT NULL COLLATE "C" CHECK (entity_id <> ''),
    attributes  json,   -- frozen here only where the source cannot be read again
    PRIMARY KEY (backfill_no, position)
);
CREATE UNIQUE INDEX plan_items_by_entity ON plan_items (backfill_no, entity_id);

-- A plan in another order than its source's is gathered here and put in order when it freezes: an entity
-- that moves in that order while the plan is being made is neither missed nor planned twice.
CREATE TABLE plan_drafts (
    backfill_no bigint NOT NULL,
    entity_id   text   NOT NULL COLLATE "C",
    sort_at     timestamptz,
    skip_reason text,
    attributes  json,
    PRIMARY KEY (backfill_no, entity_id)
);

CREATE TABLE sample_items (
    backfill_no bigint  NOT NULL,
    position    integer NOT NULL,
    PRIMARY KEY (backfill_no, position)
);

CREATE TYPE outcome_status AS ENUM ('succeeded', 'failed', 'skipped', 'cancelled');

-- What finally became of an item. Written once, never changed.
CREATE TABLE outcomes (
    backfill_no bigint         NOT NULL,
    position    integer        NOT NULL,
    status      outcome_status NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz    NOT NULL,
    attempts    smallint       NOT NULL CHECK (attempts >= 0),
    http_status smallint,
    message     text           CHECK (octet_length(message) <= 1024),
    result      json,
    credits     numeric,
    error_class text,
    error       text           CHECK (octet_length(error) <= 4096),
    skip_reason text,
    PRIMARY KEY (backfill_no, position),
    CHECK ((status = 'skipped') = (skip_reason IS NOT NULL)),
    CHECK ((status = 'failed') = (error_class IS NOT NULL)),
    CHECK (status NOT IN ('succeeded', 'failed') OR started_at IS NOT NULL)
);
CREATE INDEX outcomes_failed ON outcomes (backfill_no, position) WHERE status = 'failed';

-- One row per item that waits to be tried again; gone with its outcome.
CREATE TABLE retries (
    backfill_no     bigint      NOT NULL,
    position        integer     NOT NULL,
    tries           smallint    NOT NULL CHECK (tries >= 0),  -- made so far
    counted         smallint    NOT NULL CHECK (counted >= 0 AND counted <= tries), -- of them against max_attempts
    interruptions   smallint    NOT NULL DEFAULT 0, -- times it stood alone in flight when its process died
    interrupted_holder text,    -- who was charged last; if that process turns out to live, it takes the charge back
    next_attempt_at timestamptz NOT NULL,
    first_started_at timestamptz,
    last_failed_at  timestamptz NOT NULL,
    error_class     text        NOT NULL,
    error           text,
    PRIMARY KEY (backfill_no, position)
);
CREATE INDEX retries_due ON retries (backfill_no, next_attempt_at);

-- Every try that was not final.
CREATE TABLE tries (
    backfill_no bigint      NOT NULL,
    position    integer     NOT NULL,
    attempt     smallint    NOT NULL CHECK (attempt >= 1),
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    error_class text        NOT NULL,
    error       text,
    http_status smallint,
    PRIMARY KEY (backfill_no, position, attempt)
);

CREATE TABLE leases (
    backfill_no          bigint      PRIMARY KEY REFERENCES backfills ON DELETE CASCADE,
    holder               text        NOT NULL, -- <instance>/<process>: an instance has one process at a time
    fence                bigint      NOT NULL,
    expires_at           timestamptz NOT NULL,
    released             boolean     NOT NULL DEFAULT false, -- given back: nobody holds it
    in_order             boolean     NOT NULL DEFAULT false, -- and nothing was left that may have been started
    acknowledged_version bigint      NOT NULL DEFAULT 0,
    in_flight            integer     NOT NULL DEFAULT 0
) WITH (fillfactor = 40);

-- The last final outcome of a workflow on an entity, in any backfill, outliving them all.
CREATE TABLE last_runs (
    workflow_id bigint         NOT NULL,
    entity_type text           NOT NULL,
    entity_id   text           NOT NULL COLLATE "C",
    status      outcome_status NOT NULL,
    finished_at timestamptz    NOT NULL,
    PRIMARY KEY (workflow_id, entity_type, entity_id)
);

CREATE TABLE entity_types (
    name       text  PRIMARY KEY,
    fields     json  NOT NULL DEFAULT '{}', -- known types of fields, learned at import
    loaded_at  timestamptz,
    entities   bigint NOT NULL DEFAULT 0 CHECK (entities >= 0)
);

CREATE TABLE entities (
    entity_type text        NOT NULL,
    id          text        NOT NULL COLLATE "C" CHECK (id <> ''),
    attributes  jsonb       NOT NULL,
    updated_at  timestamptz,
    loaded_at   timestamptz NOT NULL,
    PRIMARY KEY (entity_type, id)
);
CREATE INDEX entities_by_time ON entities (entity_type, updated_at, id);

CREATE TABLE api_keys (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL CHECK (name <> ''),
    role         text        NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    prefix       text        NOT NULL,
    hash         bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_by   text        NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

CREATE TABLE audit_log (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL,
    action      text        NOT NULL,
    backfill_no bigint,     -- not a reference: the log outlives what it tells of
    subject     text        NOT NULL,
    reason      text,
    old         json,
    new         json,
    request_id  uuid
);
CREATE INDEX audit_log_of_backfill ON audit_log (backfill_no, id) WHERE backfill_no IS NOT NULL;

CREATE TABLE idempotency_keys (
    caller     text        NOT NULL,
    route      text        NOT NULL,
    key        text        NOT NULL,
    body_hash  bytea       NOT NULL,
    status     integer     NOT NULL CHECK (status BETWEEN 200 AND 299),
    answer     json        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (caller, route, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
