# ruff: noqa: S608 - no statement comes from outside
"""A row of which no record can be made, whatever somebody wrote into it: its list answers, and all others are whole."""

from typing import Any

import pytest
from tests.api.backfill_fixtures import control, operations, workflow  # noqa: F401  # fixtures
from tests.api.conftest import Client, Serve
from tests.api.test_digdag_sessions import DAYS, opened
from tests.support.backfills import make_backfill
from tests.support.clock import FakeClock
from tests.support.ledgers import make_ledger
from tests.support.schedules import make_schedule

from backfilld.api.digdag import projects, schedules, sessions
from backfilld.api.digdag import workflows as pushed_workflows
from backfilld.api.framework.answering.rows import UNREADABLE_HEADER
from backfilld.api.public import audit, keys, workflows
from backfilld.api.public.backfills import ledger
from backfilld.api.public.backfills import routes as backfills
from backfilld.api.public.steering import routes as steering
from backfilld.domain.access.callers import Actor
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.operations.auditing import AuditReading
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.keys import KeyOperations, create_key
from backfilld.operations.projects import ProjectOperations
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.sessions.read import SessionReading
from backfilld.operations.workflows import WorkflowOperations
from backfilld.store.connection.pool import Pool

DEEP = "[" * 1_500 + "]" * 1_500  # JSON to the database, and too deep for us
PUBLIC, DIGDAG = "/public-api/", "/api/"


@pytest.fixture
async def client(pool: Pool, clock: FakeClock, operations: BackfillOperations, serve: Serve) -> Client:  # noqa: F811
    for _ in range(3):
        stored = await make_schedule(pool, timezone="+09:00")
    await opened(pool, stored, "", DAYS)
    for name in ("a", "b", "c"):
        await make_ledger(pool, await make_backfill(pool), {"a": "succeeded", "b": "failed:http_404", "c": "skipped"})
        await create_key(pool, clock, name=name, role="viewer", actor=Actor.local("test"))
    none: Any = None
    rules = DefinitionRules(("http",))
    projects_of = ProjectOperations(pool, clock, lambda: rules)
    client = await serve(
        [
            *backfills.routes(operations),
            *steering.routes(operations),
            *ledger.routes(operations.ledger),
            *keys.routes(KeyOperations(pool, clock)),
            *audit.routes(AuditReading(pool)),
            *workflows.routes(WorkflowOperations(pool, clock, rules)),
            *sessions.routes(SessionReading(pool)),
            *schedules.routes(ScheduleReading(pool), none, none),
            *projects.routes(projects_of, max_body_bytes=1 << 20),
            *pushed_workflows.routes(projects_of),
        ],
        role="admin",
    )
    for name in ("a", "b", "c"):
        executor = {"type": "http", "url": "https://t.example/run"}
        await client.post(PUBLIC + "workflows", json={"project": "shop", "name": name, "executor": executor})
    return client


SECOND = (
    "(SELECT w.{0} FROM workflows AS w JOIN projects AS p ON p.id = w.project_id"
    " WHERE p.name = 'shop' AND w.name = 'b')"
)
CASES = {
    "settings of a backfill": ("backfills", "UPDATE backfills SET settings ="
                             " (settings::jsonb || '{\"timezone\": [7]}')::json"
                             " WHERE number = 2"),
    "reason of a backfill": ("backfills", "UPDATE backfills SET status = 'paused', reason_code = 'tired',"
                             " reason_message = '', reason_since = now() WHERE number = 2"),
    "facts of a backfill": ("backfills", "UPDATE backfills SET status = 'paused', reason_code = 'paused_by_user',"
                            " reason_message = '', reason_since = now(), reason_facts = '[1]' WHERE number = 2"),
    "error of a backfill": ("backfills", f"UPDATE backfills SET error = '{DEEP}' WHERE number = 2"),
    "filter of a backfill": ("backfills", f"UPDATE backfills SET filter_resolved = '{DEEP}' WHERE number = 2"),
    "instant of a backfill": ("backfills", "UPDATE backfills SET created_at = '-infinity' WHERE number = 2"),
    "result": ("backfills/ID/entities", f"UPDATE outcomes SET result = '{DEEP}' WHERE position = 1"),
    "instant of an entry": ("backfills/ID/entities", "UPDATE outcomes SET finished_at = 'infinity' WHERE position = 1"),
    "result among the failed": (
        "backfills/ID/entities?status=failed", f"UPDATE outcomes SET result = '{DEEP}' WHERE position = 1"
    ),
    "old value": ("audit-log", f"UPDATE audit_log SET old = '{DEEP}' WHERE id = 2"),
    "instant of an event": ("audit-log", "UPDATE audit_log SET at = '-infinity' WHERE id = 2"),
    "definition": (
        "workflows?project=shop",
        f"UPDATE revisions SET definition = '{DEEP}' WHERE id = {SECOND.format('revision_id')}",
    ),
    "definition that is a list": (
        "workflows?project=shop", f"UPDATE revisions SET definition = '[]' WHERE id = {SECOND.format('revision_id')}"
    ),
    "instant of a workflow": (
        "workflows?project=shop", f"UPDATE workflows SET created_at = '-infinity' WHERE id = {SECOND.format('id')}"
    ),
    "last instant of an event": ("audit-log", "UPDATE audit_log SET at = 'infinity' WHERE id = 2"),
    "last instant of a key": ("api-keys", "UPDATE api_keys SET created_at = 'infinity' WHERE name = 'b'"),
    "last instant of a backfill": ("backfills", "UPDATE backfills SET created_at = 'infinity' WHERE number = 2"),
    "instant of a key": (
        "api-keys", "UPDATE api_keys SET created_at = '-infinity' WHERE name = 'b'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_a_row_of_which_no_record_can_be_made_hides_no_other_and_is_shown_alone_too(
    client: Client, pool: Pool, case: str
) -> None:
    path, damage = CASES[case]
    id = await pool.fetchval("SELECT id FROM backfills WHERE number = 2")
    path = PUBLIC + path.replace("ID", str(id))
    (whole,) = (await (await client.get(path)).json())["data"].values()
    await pool.execute(damage)
    answer = await client.get(path)
    document = await answer.json()
    paged = await _walked(client, path)

    assert 200 == answer.status, document
    (shown,) = document["data"].values()
    key = "entity_id" if "entity_id" in whole[0] else "id"
    before, after = {one[key]: one for one in whole}, {one[key]: one for one in shown}
    hurt = [name for name, one in before.items() if after[name] != one]
    assert 1 == len(hurt)
    assert sorted(before) == sorted(after) == sorted(one[key] for one in paged)
    if "unreadable" in after[hurt[0]]:
        assert str(hurt[0]) in document["meta"]["warnings"][0]
    if not path.startswith((PUBLIC + "audit-log", PUBLIC + "api-keys")):  # of these there are only lists
        await _is_shown_alone(client, path.partition("?")[0], after[hurt[0]])


async def _is_shown_alone(client: Client, path: str, listed: dict[str, Any]) -> None:
    name = listed.get("entity_id") or listed["id"]
    answer = await client.get(f"{path}/{name}")
    document = await answer.json()

    assert 200 == answer.status, document
    (alone,) = document["data"].values()
    assert listed == {key: value for key, value in alone.items() if key not in ("tries", "elsewhere")}
    if "unreadable" in alone:
        assert str(name) in document["meta"]["warnings"][0]


async def _walked(client: Client, path: str) -> list[Any]:
    found: list[Any] = []
    cursor = ""
    while cursor is not None:
        more = {"page_size": "1"} | ({"cursor": cursor} if cursor else {})
        answer = await client.get(path, params=more)
        document = await answer.json()
        assert 200 == answer.status, document
        (page,) = document["data"].values()
        found += page
        cursor = document["meta"]["pagination"]["next_cursor"]
    return found


DIGDAG_CASES = {
    "params": ("attempts", f"UPDATE attempts SET params = '{DEEP}' WHERE id = 2"),
    "params of the last attempt": ("sessions", f"UPDATE attempts SET params = '{DEEP}' WHERE id = 2"),
    "instant of an attempt": ("attempts", "UPDATE attempts SET created_at = '-infinity' WHERE id = 2"),
    "time of a session": ("sessions", "UPDATE sessions SET session_time = '-infinity' WHERE id = 2"),
    "definition of a schedule": (
        "schedules",
        f"UPDATE revisions SET definition = '{DEEP}' WHERE id = (SELECT w.revision_id FROM schedules AS s"
        " JOIN workflows AS w ON w.id = s.workflow_id WHERE s.id = 2)",
    ),
    "time of a schedule": ("schedules", "UPDATE schedules SET next_run_at = 'infinity' WHERE id = 2"),
    "instant of a project": ("projects", "UPDATE projects SET created_at = '-infinity' WHERE name = 'shop'"),
    "definition of a workflow": (
        "workflows",
        f"UPDATE revisions SET definition = '{DEEP}' WHERE id = {SECOND.format('revision_id')}",
    ),
}


@pytest.mark.parametrize("case", DIGDAG_CASES)
async def test_so_it_is_in_the_dialect(client: Client, pool: Pool, case: str) -> None:
    path, damage = DIGDAG_CASES[case]
    (whole,) = (await (await client.get(DIGDAG + path)).json()).values()
    await pool.execute(damage)
    answer = await client.get(DIGDAG + path)
    document = await answer.json()

    assert 200 == answer.status, document
    (shown,) = document.values()
    hurt = [after["id"] for before, after in zip(whole, shown, strict=True) if before != after]
    assert [one["id"] for one in whole] == [one["id"] for one in shown]
    assert 1 == len(hurt)
    assert answer.headers.get(UNREADABLE_HEADER, hurt[0]) == hurt[0]
    alone = await client.get(f"{DIGDAG}{path}/{hurt[0]}")
    assert 200 == alone.status, await alone.text()
    assert next(after for after in shown if after["id"] == hurt[0]) == await alone.json()
    assert alone.headers.get(UNREADABLE_HEADER, hurt[0]) == hurt[0]


UNREADABLE = [
    case for case in CASES if case in ("settings of a backfill", "reason of a backfill", "filter of a backfill")
]


@pytest.mark.parametrize("case", UNREADABLE)
async def test_nothing_is_done_with_a_backfill_that_cannot_be_read_but_to_delete_it(
    client: Client, pool: Pool, case: str
) -> None:
    id = await pool.fetchval("SELECT id FROM backfills WHERE number = 2")
    path = f"{PUBLIC}backfills/{id}"
    await pool.execute(CASES[case][1])
    refused = [await client.post(f"{path}/{verb}") for verb in ("pause", "resume", "cancel", "rerun-failed")]
    early = await client.delete(path)
    await pool.execute("UPDATE backfills SET status = 'failed', completed_at = now(), planned_at = now(),"
                       " reason_code = NULL, reason_since = NULL WHERE number = 2")  # fmt: skip
    late = await client.delete(path)

    assert [(409, "cannot_be_read")] * 4 == [
        (answer.status, (await answer.json())["error"]["code"]) for answer in refused
    ]
    assert (409, 204) == (early.status, late.status)
    assert 404 == (await client.get(path)).status
