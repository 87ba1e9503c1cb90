"""Approval by a second person: who may give it, what is held for it, and what is written down."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.backfill_api import make_operations
from tests.support.backfills import make_backfill, make_workflow, new_backfill
from tests.support.clock import NOON, FakeClock
from tests.support.engine import ListSource, engine_on, entities
from tests.support.fake_control import FakeControl
from tests.support.ledgers import make_ledger
from tests.support.schedules import make_schedule

from backfilld.domain.access.callers import Actor, Caller
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.approval import NeedsAnotherPerson
from backfilld.operations.keys import create_key
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfills, ScheduleLimits
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

ANNA, BERT = "entra:t/anna", "entra:t/bert"
BY_ANOTHER = "when_approved_by_another"


@pytest.fixture
def operations(pool: Pool, clock: FakeClock) -> BackfillOperations:
    return make_operations(pool, clock, FakeControl())


def actor(identity: str) -> Actor:
    return Actor(Caller(identity, identity, "operator"))


async def waiting(pool: Pool, by: str, start: str = BY_ANOTHER) -> Backfill:
    """A backfill of `by` whose plan waits for approval."""
    workflow = await make_workflow(pool)
    new = replace(new_backfill(workflow, start=start), created_by=by)
    store = BackfillStore(pool)
    async with pool.acquire() as connection, connection.transaction():
        made = await store.insert(new, on=connection)
    reason = because(ReasonCode.AWAITING_APPROVAL, since=NOON, to_run=3, left_out=None)
    moved = await store.move(made.number, Status.PAUSED, reason=reason, at=NOON, planned_at=NOON)
    assert moved is not None
    return moved


@pytest.fixture
async def identities(pool: Pool, clock: FakeClock) -> dict[str, str]:
    """Persons and keys by what they are called here."""
    found = {"anna": ANNA, "bert": BERT, "cli": "cli"}
    for name, maker in (("annas", ANNA), ("annas second", ANNA), ("berts", BERT), ("local", "cli"), ("local 2", "cli")):
        new = await create_key(pool, clock, name=name, role="operator", actor=Actor.local(maker))
        found[name] = f"key:{new.id}"
    return found


@pytest.mark.parametrize(
    ("creator", "approver", "may"),
    [
        ("anna", "anna", False), ("anna", "bert", True), ("anna", "annas", False), ("annas", "anna", False),
        ("annas", "annas", False), ("annas", "annas second", False), ("annas", "berts", True), ("anna", "local", True),
        ("local", "local", False), ("local", "local 2", True), ("local", "anna", True), ("cli", "cli", False),
    ],
)  # fmt: skip
async def test_persons_are_compared_and_a_key_counts_as_whoever_made_it(
    pool: Pool, operations: BackfillOperations, identities: dict[str, str], creator: str, approver: str, may: bool
) -> None:
    backfill = await waiting(pool, identities[creator])
    if not may:
        with pytest.raises(NeedsAnotherPerson) as refused:
            await operations.steering.resume(actor(identities[approver]), backfill.id)
        assert (403, "needs_another_person") == (refused.value.status, refused.value.code)
        assert Status.PAUSED is (await operations.get(backfill.id)).backfill.status
        return
    signal = await operations.steering.resume(actor(identities[approver]), backfill.id)
    row = await pool.fetchrow("SELECT action, actor FROM audit_log WHERE action LIKE 'backfill.%' ORDER BY id DESC")

    assert Status.RUNNING is signal.view.backfill.status
    assert "approved" in signal.message
    assert (identities[approver], NOON) == (signal.view.backfill.approved_by, signal.view.backfill.approved_at)
    assert ("backfill.approve", identities[approver]) == tuple(row)


async def test_an_approval_by_the_creator_is_one_where_no_second_person_is_wanted(
    pool: Pool, operations: BackfillOperations
) -> None:
    backfill = await waiting(pool, ANNA, "when_approved")
    signal = await operations.steering.resume(actor(ANNA), backfill.id)

    assert ANNA == signal.view.backfill.approved_by


async def test_what_was_approved_may_be_paused_and_resumed_by_its_creator(
    pool: Pool, operations: BackfillOperations
) -> None:
    backfill = await waiting(pool, ANNA)
    await operations.steering.resume(actor(BERT), backfill.id)
    await operations.steering.pause(actor(ANNA), backfill.id)
    signal = await operations.steering.resume(actor(ANNA), backfill.id)
    actions = await pool.fetch("SELECT action FROM audit_log ORDER BY id")

    assert BERT == signal.view.backfill.approved_by
    assert signal.message.startswith("resumed")
    assert ["backfill.approve", "backfill.pause", "backfill.resume"] == [row["action"] for row in actions]


async def test_a_plan_waits_for_another_person_also_if_nothing_of_it_runs(dsn, pool) -> None:  # type: ignore[no-untyped-def]
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, start=BY_ANOTHER)
    async with engine_on(dsn, pool, source=ListSource(entities(3))) as engine:
        row = await engine.until(backfill, "paused")

    assert ReasonCode.AWAITING_APPROVAL is row.reason.code
    assert [] == engine.executor.starts


async def test_the_setting_holds_every_rerun(pool: Pool, clock: FakeClock) -> None:
    operations = make_operations(pool, clock, FakeControl(), approval_by_another=True)
    parent = await make_backfill(pool)
    await make_ledger(pool, parent, {"a": "failed:http_404"})
    await pool.execute("UPDATE backfills SET status = 'completed_with_failures', completed_at = $1", NOON)
    child = await operations.rerunner.rerun_failed(actor(ANNA), parent.id, keyed=None, render=lambda _: {})

    assert BY_ANOTHER == child.view.backfill.settings.start


@pytest.mark.parametrize(("start", "kept"), [("now", "now"), ("when_approved", "now"), (BY_ANOTHER, BY_ANOTHER)])
async def test_a_rerun_of_what_took_a_second_person_takes_one_too(
    pool: Pool, operations: BackfillOperations, start: str, kept: str
) -> None:
    parent = await make_backfill(pool, start=start)
    await make_ledger(pool, parent, {"a": "failed:http_404"})
    await pool.execute("UPDATE backfills SET status = 'completed_with_failures', completed_at = $1", NOON)
    child = await operations.rerunner.rerun_failed(actor(ANNA), parent.id, keyed=None, render=lambda _: {})

    assert kept == child.view.backfill.settings.start


async def test_the_setting_holds_every_backfill_over_sessions(pool: Pool, clock: FakeClock) -> None:
    operations = make_operations(pool, clock, FakeControl(), approval_by_another=True)
    stored = await make_schedule(pool)
    backfills = ScheduleBackfills(pool, operations.sessions, clock, ScheduleLimits())
    request = ScheduleBackfillRequest(False, from_time=NOON - timedelta(days=2), attempt_name="again")
    answer = await backfills.run(actor(ANNA), stored.id, request)

    assert answer.backfill_id is not None
    assert BY_ANOTHER == (await operations.get(answer.backfill_id)).backfill.settings.start
