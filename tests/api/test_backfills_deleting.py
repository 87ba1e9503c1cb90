"""Who may delete a backfill, and what is still known of it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from tests.api.backfill_fixtures import control, workflow  # noqa: F401  # fixtures
from tests.api.conftest import Client, Serve
from tests.support.backfill_api import make_operations
from tests.support.backfills import make_backfill
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl
from tests.support.ledgers import make_ledger
from tests.support.waiting import POLL_SECONDS, eventually

from backfilld.api.public import audit
from backfilld.api.public.backfills import routes as backfills
from backfilld.bus import Bus
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.records import Backfill
from backfilld.engine.janitor import Janitor, Retention
from backfilld.operations.auditing import AuditReading
from backfilld.store.admin import audit as audit_rows
from backfilld.store.backfills.removal import RemovalStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.digests import DigestStore
from backfilld.store.ledger.last_runs import LastRunsStore

PATH = "/public-api/backfills"
ENDED = NOON - timedelta(days=40)
LEDGER = (
    "0\ta\tsucceeded\t1\t2027-03-01T12:00:00.250000Z\t\n"
    "1\tb\tfailed\t1\t2027-03-01T12:00:00.250000Z\thttp_404\n"
    "2\tc\tskipped\t0\t2027-03-01T12:00:00.250000Z\t\n"
)


async def client_of(pool: Pool, clock: FakeClock, serve: Serve, role: Any, **limits: Any) -> Client:
    operations = make_operations(pool, clock, FakeControl(), **limits)
    return await serve(backfills.routes(operations) + audit.routes(AuditReading(pool)), role=role)


@pytest.fixture
async def ended(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool, name="June again")
    await make_ledger(pool, backfill, {"a": "succeeded", "b": "failed:http_404", "c": "skipped"})
    await pool.execute("UPDATE backfills SET status = 'completed_with_failures', completed_at = $1,"
                       " approved_by = 'entra:t/bert', approved_at = $1", ENDED)  # fmt: skip
    return backfill


@pytest.mark.parametrize(
    ("role", "needs_admin", "status"),
    [("operator", True, 403), ("admin", True, 204), ("operator", False, 204), ("viewer", False, 403)],
)
async def test_deleting_needs_an_admin_unless_the_configuration_trusts_operators(
    pool: Pool, clock: FakeClock, serve: Serve, ended: Backfill, role: str, needs_admin: bool, status: int
) -> None:
    limits = {} if needs_admin else {"delete_needs_admin": False}
    client = await client_of(pool, clock, serve, role, **limits)

    assert status == (await client.delete(f"{PATH}/{ended.id}")).status


def _is_whole(event: dict[str, Any]) -> bool:
    kept = event["old"]
    instants = (kept["created_at"], kept["started_at"], kept["completed_at"])
    return {
        "ledger_digest": sha256(LEDGER.encode()).hexdigest(),
        "status": "completed_with_failures", "name": "June again", "kind": "entities", "entity_type": "ticket",
        "workflow": "w1", "planned": 3, "succeeded": 1, "failed": 1, "skipped": 1, "cancelled": 0,
        "created_by": "key:test", "approved_by": "entra:t/bert",
    }.items() <= kept.items() and None not in instants  # fmt: skip


@pytest.mark.parametrize("where", ["body", "address"])
async def test_what_was_deleted_and_why_stays_in_the_audit_log_and_its_timeline_answers(
    pool: Pool, clock: FakeClock, serve: Serve, ended: Backfill, where: str
) -> None:
    client = await client_of(pool, clock, serve, "admin")
    asked: dict[str, Any] = {"json": {"reason": "wrong filter"}} if where == "body" else {}
    query = "?reason=wrong%20filter" if where == "address" else ""
    deleted = await client.delete(f"{PATH}/{ended.id}{query}", **asked)
    await pool.execute("UPDATE backfill_progress SET remembered = true")
    await _clean(pool, clock)
    document = await (await client.get(f"{PATH}/{ended.id}/timeline")).json()
    (event,) = document["data"]["events"]

    assert 204 == deleted.status
    assert 0 == await pool.fetchval("SELECT count(*) FROM backfills")
    assert ("backfill.delete", "wrong filter", "key:admin") == (event["action"], event["reason"], event["actor"])
    assert _is_whole(event)
    assert 404 == (await client.get(f"{PATH}/{ended.id}")).status


async def test_the_digest_that_the_backfill_showed_is_the_one_that_stays(
    pool: Pool, clock: FakeClock, serve: Serve, ended: Backfill
) -> None:
    client = await client_of(pool, clock, serve, "admin")
    await _clean(pool, clock)
    shown = (await (await client.get(f"{PATH}/{ended.id}")).json())["data"]["backfill"]["ledger_digest"]
    await client.delete(f"{PATH}/{ended.id}")
    at_once = await _kept_digest(client, ended)
    await _clean(pool, clock)

    assert [sha256(LEDGER.encode()).hexdigest()] * 3 == [shown, at_once, await _kept_digest(client, ended)]


async def test_what_is_deleted_while_its_digest_is_made_keeps_it_all_the_same(
    pool: Pool, clock: FakeClock, serve: Serve, ended: Backfill
) -> None:
    """The janitor waits for the deletion's row, and sees what it wrote."""
    client = await client_of(pool, clock, serve, "admin")
    store = DigestStore(pool)
    (left,) = await store.list_undigested()
    async with pool.acquire() as deleting, deleting.transaction():
        await deleting.execute("UPDATE backfills SET deleted_at = $1", NOON)
        async with asyncio.TaskGroup() as group:
            made = group.create_task(_all(store.digest(left)))
            await eventually(lambda: _waits_for_a_lock(pool))
            await audit_rows.record_on(deleting, Actor.local("x"), "backfill.delete", ended, at=NOON, old={"a": 1})
            await deleting.execute("COMMIT")
            await made
            await deleting.execute("BEGIN")

    assert sha256(LEDGER.encode()).hexdigest() == await _kept_digest(client, ended)


async def _all(pages: AsyncIterator[int]) -> list[int]:
    return [page async for page in pages]


async def _waits_for_a_lock(pool: Pool) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def _kept_digest(client: Client, backfill: Backfill) -> Any:
    document = await (await client.get(f"{PATH}/{backfill.id}/timeline")).json()
    return document["data"]["events"][-1]["old"]["ledger_digest"]


async def test_so_does_what_goes_for_its_age(pool: Pool, clock: FakeClock, serve: Serve, ended: Backfill) -> None:
    client = await client_of(pool, clock, serve, "viewer")
    await _clean(pool, clock, Retention(ledgers=timedelta(days=30)))
    document = await (await client.get(f"{PATH}/{ended.id}/timeline")).json()
    (event,) = document["data"]["events"]

    assert ("backfill.delete", "system") == (event["action"], event["actor"])
    assert _is_whole(event)


async def test_what_never_was_has_no_timeline(pool: Pool, clock: FakeClock, serve: Serve) -> None:
    client = await client_of(pool, clock, serve, "viewer")

    assert 404 == (await client.get(f"{PATH}/00000000-0000-4000-8000-000000000000/timeline")).status


async def _clean(pool: Pool, clock: FakeClock, retention: Retention = Retention()) -> None:  # noqa: B008 - frozen
    janitor = Janitor(LastRunsStore(pool), RemovalStore(pool), DigestStore(pool), clock, Bus(), retention)
    task = asyncio.create_task(janitor.round())
    while not task.done():
        await clock.advance(1)
        await asyncio.wait({task}, timeout=POLL_SECONDS)
    await task
