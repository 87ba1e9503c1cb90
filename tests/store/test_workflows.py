"""Workflows of the API and of the configuration file, in one database."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from tests.support.clock import FakeClock

from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import Conflict, Invalid, NotFound
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.operations.workflows import WorkflowOperations
from backfilld.store.admin.workflows import Workflow
from backfilld.store.connection.pool import Pool

ME = Actor.local("cli")
INSERT_BACKFILL = """
-- name: insert_backfill_for_test
INSERT INTO backfills (id, kind, workflow_id, revision_id, entity_type, max_in_flight, settings,
                       exclusive, created_by, created_at, updated_at, status)
VALUES ($1, 'entities', $2, $3, 'ticket', 1,
        '{"filter_spec": {}, "daily_execution_windows": {}, "timezone": "UTC", "max_attempts": 3}',
        true, 'cli', $4, $4, 'planning')"""


def plain(name: str = "classify", url: str = "https://t.example/run", **more: Any) -> dict[str, Any]:
    return {"name": name, "executor": {"type": "http", "url": url}, **more}


def definition(*args: Any, **more: Any) -> WorkflowDefinition:
    return WorkflowDefinition.model_validate(plain(*args, **more))


@pytest.fixture
def workflows(pool: Pool, clock: FakeClock) -> WorkflowOperations:
    return WorkflowOperations(pool, clock, DefinitionRules(("http",)))


async def by_name(workflows: WorkflowOperations) -> dict[str, Workflow]:
    return {workflow.name: workflow for workflow in await workflows.list()}


async def test_a_changed_definition_is_a_new_revision_and_the_old_id_still_resolves(
    workflows: WorkflowOperations,
) -> None:
    made = await workflows.create(definition(), ME)
    changed = await workflows.patch(made.id, {"max_attempts": 5}, ME)

    assert made.id == changed.id
    assert (1, 2) == (made.version, changed.version)
    assert made.revision_id != changed.revision_id
    assert changed == await workflows.get(made.revision_id) == await workflows.get(changed.revision_id)


async def test_switching_off_is_no_new_revision(workflows: WorkflowOperations) -> None:
    made = await workflows.create(definition(), ME)
    off = await workflows.patch(made.id, {"enabled": False}, ME)

    assert (made.revision_id, False) == (off.revision_id, off.enabled)


async def test_a_change_to_the_same_changes_nothing(workflows: WorkflowOperations, pool: Pool) -> None:
    made = await workflows.create(definition(max_attempts=4), ME)
    same = await workflows.patch(made.id, {"max_attempts": 4, "name": "classify"}, ME)
    rows = await pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'workflow.edit'")

    assert made == same
    assert 0 == rows


async def test_null_restores_the_default(workflows: WorkflowOperations) -> None:
    made = await workflows.create(definition(max_attempts=4), ME)
    changed = await workflows.patch(made.id, {"max_attempts": None}, ME)

    assert "max_attempts" not in changed.definition


async def test_a_name_is_for_ever(workflows: WorkflowOperations) -> None:
    made = await workflows.create(definition(), ME)
    with pytest.raises(Invalid) as caught:
        await workflows.patch(made.id, {"name": "other", "project": "other"}, ME)

    assert {"/name", "/project"} == {fault.path for fault in caught.value.faults}


async def test_of_many_who_make_the_same_workflow_one_succeeds(workflows: WorkflowOperations) -> None:
    results = await asyncio.gather(
        *(workflows.create(definition(), ME) for _ in range(5)), return_exceptions=True
    )  # fmt: skip
    codes = [result.code for result in results if isinstance(result, Conflict)]

    assert ["workflow_exists"] * 4 == codes


async def test_a_deleted_workflow_comes_back_under_its_id(workflows: WorkflowOperations) -> None:
    made = await workflows.create(definition(), ME)
    await workflows.delete(made.id, ME)
    with pytest.raises(NotFound):
        await workflows.get(made.id)
    again = await workflows.create(definition(url="https://other.example/"), ME)

    assert (made.id, 2, True) == (again.id, again.version, again.enabled)


async def test_a_workflow_in_use_is_not_deleted(workflows: WorkflowOperations, pool: Pool, clock: FakeClock) -> None:
    made = await workflows.create(definition(), ME)
    backfill = uuid4()
    await pool.execute(INSERT_BACKFILL, backfill, made.id, made.revision_id, clock.now())
    with pytest.raises(Conflict) as caught:
        await workflows.delete(made.id, ME)

    assert "workflow_in_use" == caught.value.code
    assert {"backfill_id": str(backfill), "status": "planning"} == caught.value.extra


async def test_owners_of_its_backfills_hear_of_a_change(
    workflows: WorkflowOperations, pool: Pool, clock: FakeClock
) -> None:
    made = await workflows.create(definition(), ME)
    await pool.execute(INSERT_BACKFILL, uuid4(), made.id, made.revision_id, clock.now())
    heard: asyncio.Queue[object] = asyncio.Queue()

    def hear(*what: object) -> None:
        heard.put_nowait(what[-1])

    async with pool.acquire() as conn:
        await conn.add_listener("backfilld", hear)
        await workflows.patch(made.id, {"enabled": False}, ME)
        async with asyncio.timeout(5):
            payload = await heard.get()
        await conn.remove_listener("backfilld", hear)

    assert str(payload).endswith(" 1")


async def test_the_file_makes_changes_and_disables_workflows(workflows: WorkflowOperations) -> None:
    await workflows.sync_config([plain("a"), plain("b")])
    before = await by_name(workflows)
    await workflows.sync_config([plain("a", max_attempts=7), plain("c")])
    after = await by_name(workflows)

    assert {"a", "b", "c"} == set(after)
    assert (before["a"].id, 2) == (after["a"].id, after["a"].version)
    assert (False, before["b"].revision_id) == (after["b"].enabled, after["b"].revision_id)
    assert {"config"} == {workflow.managed_by for workflow in after.values()}


async def test_a_workflow_that_returns_to_the_file_is_enabled_again(workflows: WorkflowOperations) -> None:
    await workflows.sync_config([plain("a")])
    before = await by_name(workflows)
    await workflows.sync_config([])
    await workflows.sync_config([plain("a")])
    after = await by_name(workflows)

    assert (before["a"].id, before["a"].revision_id, True) == (
        after["a"].id,
        after["a"].revision_id,
        after["a"].enabled,
    )


async def test_the_same_file_changes_nothing(workflows: WorkflowOperations, pool: Pool, clock: FakeClock) -> None:
    await workflows.sync_config([plain("a", enabled=False)])
    before = await by_name(workflows)
    await clock.advance(60)
    await workflows.sync_config([plain("a", enabled=False)])

    assert before == await by_name(workflows)
    assert 1 == await pool.fetchval("SELECT count(*) FROM audit_log")


async def test_the_file_takes_over_what_the_api_made(workflows: WorkflowOperations) -> None:
    made = await workflows.create(definition("a"), ME)
    await workflows.sync_config([plain("a")])
    with pytest.raises(Conflict) as caught:
        await workflows.patch(made.id, {"enabled": False}, ME)

    assert "managed_by_config" == caught.value.code


async def test_a_bad_file_changes_nothing(workflows: WorkflowOperations) -> None:
    await workflows.sync_config([plain("a")])
    before = await by_name(workflows)
    with pytest.raises(Invalid) as caught:
        await workflows.sync_config([plain("a", max_attempts=2), plain("a"), plain("b", url="http://169.254.169.254/")])

    assert ["/workflows/1/name", "/workflows/2/executor/url"] == [fault.path for fault in caught.value.faults]
    assert before == await by_name(workflows)


async def test_daemons_that_start_at_once_agree(workflows: WorkflowOperations) -> None:
    names = [f"w{number}" for number in range(5)]
    await asyncio.gather(
        *(workflows.sync_config([plain(name) for name in order]) for order in (names, names[::-1], names))
    )
    found = await workflows.list()

    assert [1] * 5 == [workflow.version for workflow in found]


async def test_what_stands_as_in_the_file_is_not_even_locked(workflows: WorkflowOperations, pool: Pool) -> None:
    await workflows.sync_config([plain("a"), plain("b"), plain("c", enabled=False)])
    await workflows.sync_config([plain("a"), plain("b"), plain("c", enabled=False)])
    written = await pool.fetchval("SELECT count(*) FROM audit_log")
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM workflows WHERE name <> 'b' FOR UPDATE")
        async with asyncio.timeout(5):
            await workflows.sync_config([plain("a"), plain("b", max_attempts=7), plain("c", enabled=False)])

    assert 3 == written
    assert 7 == (await by_name(workflows))["b"].definition["max_attempts"]


async def test_a_definition_that_was_written_in_another_order_is_no_news(
    workflows: WorkflowOperations, pool: Pool
) -> None:
    await workflows.sync_config([plain("a", max_attempts=7)])
    await pool.execute("UPDATE revisions SET definition = definition::jsonb::json")
    await workflows.sync_config([plain("a", max_attempts=7)])

    assert 1 == (await by_name(workflows))["a"].version
