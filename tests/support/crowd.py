"""A database as it is in the third year: a million items, thousands of backfills, what was done to them, and schedules.

Rows are made in the database, as they would have been written. Nothing here runs: whatever is active is leased by a
daemon that does not exist, paused, or waits for a day far ahead.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

from tests.support.backfills import make_backfill, make_workflow
from tests.support.schedules import make_schedule

from backfilld.domain.backfills.failures.fingerprints import fingerprint
from backfilld.store.connection.pool import Pool

KINDS_OF_FAILURE = 200
SMALL_PLAN = 10
FILTER = quote('{"priority": 2}')
EACH = timedelta(milliseconds=40)
MADE = (
    "id, exclusive, status, reason_code, reason_message, reason_since, reason_until, completed_at, planned_at, name,"
    " created_at, updated_at, wake_at, ledger_digest, digested_to, entity_type"
)
_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = 'backfills'"
# Of a hundred 94 have ended, two in four of them with failures; the others are in every state.
_BACKFILLS = """
INSERT INTO backfills ({made}, {same})
SELECT gen_random_uuid(), false, of.status, of.code, CASE WHEN of.code IS NOT NULL THEN 'as it was written down' END,
       CASE WHEN of.code IS NOT NULL THEN $1::timestamptz END,
       CASE WHEN of.status = 'waiting' THEN $1::timestamptz + interval '300 days' END,
       CASE WHEN of.ended THEN $1::timestamptz - g * interval '1 hour' END,
       CASE WHEN of.status <> 'planning' THEN $1::timestamptz - interval '1 day' - g * interval '1 hour' END,
       'backfill number ' || g, $1::timestamptz - interval '2 days' - g * interval '1 hour', $1,
       CASE WHEN of.status = 'waiting' THEN $1::timestamptz + interval '300 days' END,
       CASE WHEN of.ended THEN repeat('0', 64) END, CASE WHEN of.ended THEN $3::integer ELSE 0 END, 'ticket', {same}
  FROM backfills AS template
 CROSS JOIN generate_series(1, $2::integer) AS g
 CROSS JOIN LATERAL (
    SELECT CASE WHEN g % 100 < 94
                THEN (ARRAY['completed', 'completed_with_failures', 'cancelled', 'failed'])[1 + g % 4]
                ELSE (ARRAY['running', 'waiting', 'paused', 'paused', 'running', 'planning'])[g % 100 - 93]
           END AS status,
           g % 100 < 94 AS ended,
           CASE WHEN g % 100 >= 94
                THEN (ARRAY[NULL, 'outside_window', 'paused_by_user', 'awaiting_approval', 'target_refuses', NULL]
                     )[g % 100 - 93] END AS code) AS of
 WHERE template.number = $4
"""
_SMALL_LEDGERS = """
WITH planned AS (
    INSERT INTO plan_items (backfill_number, position, entity_id)
    SELECT number, n, 'e' || lpad(n::text, 7, '0')
      FROM backfills, generate_series(0, $1::integer - 1) AS n WHERE number > $3 AND status <> 'planning'
), outcome AS (
    INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, error_class, error,
                          fingerprint)
    SELECT number, n, (CASE WHEN is_bad THEN 'failed' ELSE 'succeeded' END)::outcome_status, planned_at,
           planned_at + interval '1 minute', 1, CASE WHEN is_bad THEN 'http_409' END, CASE WHEN is_bad THEN 'no' END,
           CASE WHEN is_bad THEN $2::bytea END
      FROM (SELECT b.number, b.planned_at, n, b.status = 'completed_with_failures' AND n = 3 AS is_bad
              FROM backfills AS b, generate_series(0, $1::integer - 1) AS n
             WHERE b.number > $3 AND b.completed_at IS NOT NULL) AS items
), points AS (
    INSERT INTO progress_points (backfill_number, at, succeeded, failed, skipped, cancelled, retrying, in_flight,
                                 credits)
    SELECT number, planned_at + n * interval '1 minute', n, 0, 0, 0, 0, 0, 0
      FROM backfills, generate_series(0, 4) AS n WHERE number > $3 AND planned_at IS NOT NULL
)
INSERT INTO backfill_progress (backfill_number, planned, succeeded, failed, low_water_mark, remembered, started_at)
SELECT number, CASE WHEN status = 'planning' THEN 0 ELSE $1 END,
       CASE WHEN completed_at IS NULL THEN 0 WHEN status = 'completed_with_failures' THEN $1 - 1 ELSE $1 END,
       CASE WHEN status = 'completed_with_failures' THEN 1 ELSE 0 END,
       CASE WHEN completed_at IS NULL THEN 0 ELSE $1 END, completed_at IS NOT NULL, planned_at
  FROM backfills WHERE number > $3
"""
_PLAN = """
INSERT INTO plan_items (backfill_number, position, entity_id)
SELECT $1, n, 'e' || lpad(n::text, 7, '0') FROM generate_series(0, $2::integer - 1) AS n
"""
# The first `$3` have ended, one in fifty of them failed; the last three of a thousand thousand were skipped.
_OUTCOMES = """
INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, message, result,
                      error_class, error, skip_reason, fingerprint)
SELECT $1, n, of::outcome_status, $4::timestamptz + n * $5::interval, $4::timestamptz + (n + 1) * $5::interval, 1,
       CASE of WHEN 'succeeded' THEN 'done' END, CASE of WHEN 'succeeded' THEN '{"tier": "gold"}'::json END,
       CASE of WHEN 'failed' THEN 'http_409' END,
       CASE of WHEN 'failed' THEN 'field ' || chr(97 + n / 50 % 26) || ' of ticket ' || n
                                 || CASE WHEN n < 2500 THEN repeat(' is locked', 400) ELSE ' is locked' END END,
       CASE of WHEN 'skipped' THEN 'not_found' END,
       CASE of WHEN 'failed' THEN ($6::bytea[])[1 + n / 50 % cardinality($6::bytea[])] END
  FROM generate_series(0, $3::integer - 1) AS n
 CROSS JOIN LATERAL (SELECT CASE WHEN n >= $2::integer - 3 THEN 'skipped' WHEN n % 50 = 0 THEN 'failed'
                                 ELSE 'succeeded' END AS of) AS of
"""
_RETRIES = """
WITH waiting AS (
    INSERT INTO retries (backfill_number, position, tries, counted, next_attempt_at, first_started_at, last_failed_at,
                         error_class, error)
    SELECT $1, n, 1, 1, $4::timestamptz + interval '1 hour', $4, $4, 'http_503', 'away'
      FROM generate_series($2::integer, $2::integer + $3::integer - 1) AS n
    RETURNING backfill_number, position
)
INSERT INTO tries (backfill_number, position, attempt, started_at, finished_at, error_class, error)
SELECT backfill_number, position, 1, $4, $4, 'http_503', 'away' FROM waiting
"""
_PROGRESS = """
INSERT INTO backfill_progress (backfill_number, planned, succeeded, failed, skipped, retrying, low_water_mark,
                               remembered, started_at, throughput)
SELECT $1, $2, count(*) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE status = 'failed'),
       count(*) FILTER (WHERE status = 'skipped'), $3::integer, count(*), true, min(started_at), 25
  FROM outcomes WHERE backfill_number = $1
    ON CONFLICT (backfill_number) DO UPDATE
       SET planned = excluded.planned, succeeded = excluded.succeeded, failed = excluded.failed,
           skipped = excluded.skipped, retrying = excluded.retrying, low_water_mark = excluded.low_water_mark,
           remembered = true, started_at = excluded.started_at, throughput = excluded.throughput
"""
_POINTS = """
INSERT INTO progress_points (backfill_number, at, succeeded, failed, skipped, cancelled, retrying, in_flight, credits)
SELECT $1, $2::timestamptz + n * interval '1 minute', n * 1470, n * 30, 0, 0, 0, 3, 0
  FROM generate_series(0, $3::integer - 1) AS n
"""
_HISTORY = """
WITH people AS (
    INSERT INTO audit_log (at, actor, action, backfill_number, subject, reason)
    SELECT $1::timestamptz - n * interval '1 minute', 'anna',
           (ARRAY['backfill.pause', 'backfill.resume', 'key.create', 'workflow.update'])[1 + n % 4],
           CASE WHEN n % 4 < 2 THEN 1 + n % $2::integer END, 'subject/' || n, 'because of number ' || n
      FROM generate_series(1, $3::integer) AS n
), engine AS (
    INSERT INTO audit_log (at, actor, action, backfill_number, subject, old, new)
    SELECT $1::timestamptz - n * interval '1 minute', 'system', 'backfill.status', 1 + n % 2, 'backfill/x',
           '{"status": "waiting"}', '{"status": "running"}'
      FROM generate_series(1, $3::integer / 10) AS n
)
INSERT INTO outages (backfill_number, code, message, began_at, ended_at)
SELECT 1 + n % 2, 'target_unreachable', 'nobody listens', $1::timestamptz - n * interval '1 hour',
       $1::timestamptz - n * interval '1 hour' + interval '5 minutes'
  FROM generate_series(1, $3::integer / 100) AS n
"""
_SESSIONS = """
WITH made AS (
    INSERT INTO sessions (project_id, workflow_id, session_time, created_at)
    SELECT w.project_id, s.workflow_id, date_trunc('second', $1::timestamptz) - n * interval '1 hour', $1
      FROM schedules AS s
      JOIN workflows AS w ON w.id = s.workflow_id
     CROSS JOIN generate_series(1, $2::integer) AS n
    RETURNING id, project_id, workflow_id, session_time
)
INSERT INTO attempts (session_id, index, name, project_id, workflow_id, revision_id, timezone, params, created_by,
                      created_at, started_at, finished_at, succeeded, message, error_class)
SELECT m.id, 1, '', m.project_id, m.workflow_id, w.revision_id, 'UTC', '{}', 'schedule:1', m.session_time,
       m.session_time, m.session_time + interval '1 minute', m.id % 20 > 0, 'said',
       CASE WHEN m.id % 20 = 0 THEN 'http_500' END
  FROM made AS m
  JOIN workflows AS w ON w.id = m.workflow_id
"""
_MESSAGES = """
INSERT INTO deliveries (id, endpoint, event, message, created_at, attempts, delivered_at, dead_at)
SELECT gen_random_uuid(), 'desk', 'completed', '{}', $1::timestamptz - n * interval '1 minute', 1,
       CASE WHEN n % 100 > 0 THEN $1::timestamptz END, CASE WHEN n % 100 = 0 THEN $1::timestamptz END
  FROM generate_series(1, $2::integer) AS n
"""
_RECORDS = """
INSERT INTO entities (entity_type, id, attributes, updated_at, loaded_at)
SELECT 'ticket', 'e' || lpad(n::text, 7, '0'), jsonb_build_object('priority', n % 5, 'status', 'closed'), $1, $1
  FROM generate_series(0, $2::integer - 1) AS n
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many there are. Two backfills have `items` each, of which one has ended and one is half through."""

    items: int
    backfills: int
    schedules: int

    @property
    def history(self) -> int:
        """Rows of the audit log, of messages, and of past sessions."""
        return self.items // 4


@dataclass(frozen=True, slots=True)
class Crowd:
    """Some of those that are there, to be looked at."""

    ended: UUID
    running: UUID
    schedule: int
    session: int
    entity: str
    near_the_end: int  # a position of the plan
    kind: str  # of failures, as an address names it


async def fill(pool: Pool, shape: Shape, at: datetime) -> Crowd:
    """Put it all into an empty database, as if it were `at`, and have it vacuumed and analysed."""
    workflow = await make_workflow(pool, "enrich", credits_per_entity=1.5)
    ended = await make_backfill(pool, workflow, exclusive=False, name="the large one")
    running = await make_backfill(pool, workflow, exclusive=False, name="the large one, again")
    kinds = [fingerprint("http_409", f"{number * 'x'} is locked") for number in range(KINDS_OF_FAILURE)]
    began = at - shape.items * EACH
    await pool.execute(
        "INSERT INTO entity_types (name, loaded_at, entities) VALUES ('ticket', $1, $2)", at, shape.items
    )
    await _execute(pool, _RECORDS, at, shape.items)
    await _large(pool, ended.number, shape.items, shape.items, began, kinds)
    await _large(pool, running.number, shape.items, shape.items // 2, began, kinds)
    await _execute(pool, _RETRIES, running.number, shape.items // 2, min(500, shape.items // 10), at)
    await pool.execute(
        "UPDATE backfills SET planned_at = $3, created_at = $3,"
        " status = CASE WHEN number = $1 THEN 'completed_with_failures' ELSE 'running' END,"
        " completed_at = CASE WHEN number = $1 THEN $2::timestamptz END,"
        " ledger_digest = CASE WHEN number = $1 THEN repeat('0', 64) END, digested_to = $4 WHERE number <= 2",
        ended.number, at, began, shape.items,
    )  # fmt: skip
    known = [row["column_name"] for row in await pool.fetch(_COLUMNS)]
    same = [name for name in known if name not in ("number", *MADE.split(", "))]
    sql = _BACKFILLS.format(made=MADE, same=", ".join(same))
    await _execute(pool, sql, at, shape.backfills - 2, SMALL_PLAN, ended.number)
    await _execute(pool, _SMALL_LEDGERS, SMALL_PLAN, kinds[0], running.number)
    await pool.execute(
        "INSERT INTO leases (backfill_number, holder, fence, expires_at)"
        " SELECT number, 'elsewhere/1', 1, clock_timestamp() + interval '10 days'"
        "   FROM backfills WHERE completed_at IS NULL"
        " ON CONFLICT (backfill_number) DO UPDATE SET expires_at = excluded.expires_at"
    )
    for _ in range(shape.schedules):
        stored = await make_schedule(pool)
    await pool.execute(
        "UPDATE schedules SET next_session_at = date_trunc('second', $1::timestamptz) + interval '9 days',"
        " next_run_at = $1::timestamptz + interval '9 days'",
        at,
    )
    await pool.execute(
        "UPDATE revisions AS r SET definition = (r.definition::jsonb || jsonb_build_object('name', w.name))::json"
        "  FROM workflows AS w WHERE w.id = r.workflow_id"
    )
    await _execute(pool, _SESSIONS, at, shape.history // shape.schedules)
    await _execute(pool, _HISTORY, at, shape.backfills, shape.history)
    await _execute(pool, _MESSAGES, at, shape.history)
    async with pool.acquire() as connection:
        await connection.execute("VACUUM ANALYZE", timeout=600)
    session = await pool.fetchval("SELECT max(id) FROM sessions WHERE workflow_id = $1", stored.workflow_id)
    return Crowd(ended.id, running.id, stored.id, session, "e0000050", shape.items - 60, kinds[1].hex())


async def _large(pool: Pool, number: int, items: int, through: int, began: datetime, kinds: list[bytes]) -> None:
    """A plan of so many, of which the first `through` have ended."""
    await _execute(pool, _PLAN, number, items)
    await _execute(pool, _OUTCOMES, number, items, through, began, EACH, kinds)
    await _execute(pool, _PROGRESS, number, items, min(500, items // 10) if through < items else 0)
    await _execute(pool, _POINTS, number, began, max(5, items // 1500))


async def _execute(pool: Pool, sql: str, *values: object) -> None:
    await pool.execute(sql, *values, timeout=600)


def paths(crowd: Crowd) -> dict[str, str]:
    """Addresses of all kinds of pages over it, by what they show."""
    ended, running = f"/backfills/{crowd.ended}", f"/backfills/{crowd.running}"
    schedule, session = f"/schedules/{crowd.schedule}", f"/sessions/{crowd.session}"
    return {
        "all backfills": "/",
        "those that have ended": "/?show=ended",
        "those that need a person": "/?show=attention",
        "found by name": "/?q=number+19",
        "found nowhere": "/?q=no+such+thing",
        "one that has ended": ended,
        "one that runs": running,
        "its ledger": f"{ended}/entities",
        "a late page of it": f"{ended}/entities?cursor={crowd.near_the_end}",
        "what failed": f"{ended}/entities?status=failed",
        "what failed in one way": f"{ended}/entities?status=failed&error_group={crowd.kind}",
        "what failed with one class": f"{ended}/entities?status=failed&error_class=http_409",
        "what was skipped": f"{ended}/entities?status=skipped",
        "what was cancelled": f"{ended}/entities?status=cancelled",
        "what succeeded": f"{ended}/entities?status=succeeded",
        "what is left": f"{running}/entities?status=pending",
        "what is tried again": f"{running}/entities?status=retrying",
        "what is in flight": f"{running}/entities?status=in_flight",
        "found by id": f"{ended}/entities?entity_id={crowd.entity}",
        "an entity": f"{ended}/entities/{crowd.entity}",
        "kinds of failure": f"{ended}/errors",
        "the last kinds of failure": f"{ended}/errors?cursor=150",
        "what happened": f"{ended}/timeline",
        "what happened to one that runs": f"{running}/timeline",
        "settings": f"{running}/settings",
        "editing": f"{running}/edit",
        "pausing": f"{running}/pause",
        "cancelling": f"{running}/cancel",
        "running again": f"{ended}/rerun",
        "running again what failed": f"{ended}/rerun-failed",
        "deleting": f"{ended}/delete",
        "a new backfill": "/backfills/new",
        "a new backfill of some": f"/backfills/new?entity_type=ticket&filter={FILTER}",
        "the same again": f"/backfills/new?clone={crowd.ended}",
        "schedules": "/schedules",
        "schedules that failed": "/schedules?status=attention",
        "schedules that run": "/schedules?status=on",
        "a schedule": schedule,
        "its failed sessions": f"{schedule}?status=error",
        "running slots again": f"{schedule}/backfill",
        "skipping slots": f"{schedule}/skip",
        "a session": session,
        "health": "/system",
        "targets": "/system/targets",
        "sources": "/system/sources",
        "brakes": "/system/brakes",
        "workflows": "/system/workflows",
        "notifications": "/system/notifications",
        "keys": "/system/keys",
        "who did what": "/system/audit",
        "who did one thing": "/system/audit?action=key.create",
        "what one did": "/system/audit?actor=anna",
        "stopping everything": "/system/stop-all",
        "account": "/account",
    }
