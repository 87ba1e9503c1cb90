"""Stop-all: after the answer nothing starts, in any daemon, until start-all; and nothing is forgotten meanwhile."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import FakeClock
from tests.support.engine import Engine, ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.bus import Bus
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.domain.errors import Unavailable
from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.executors.base import Work
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore, Renewal

ALL = {"filter_resolved": {"match_all": True}}
MANY = pytest.param(30, marks=pytest.mark.slow)


async def slow(_: Work) -> Verdict:
    await asyncio.sleep(0.005)
    return SUCCEEDED


def quick() -> ScriptedExecutor:
    return ScriptedExecutor(slow, connects=0.002, sends=0.002)


async def some_started(engines: list[Engine], at_least: int) -> None:
    await eventually(lambda: started(engines) >= at_least)


async def held(engine: Engine, backfill: Backfill) -> Backfill:
    """The backfill, once a reason is written down."""

    async def has_reason() -> bool:
        return (await engine.tools.backfills.get(backfill.id)).reason is not None

    await eventually(has_reason)
    return await engine.tools.backfills.get(backfill.id)


def started(engines: list[Engine]) -> int:
    return sum(len(engine.executor.starts) for engine in engines)


@pytest.mark.parametrize("trials", [4, MANY])
async def test_after_the_answer_nothing_starts_in_any_of_many_trials(dsn, pool, trials):
    source = ListSource(entities(300 * trials))
    for _ in range(3):
        await make_backfill(pool, **ALL, max_in_flight=5)
    async with engine_on(dsn, pool, quick(), source) as one, engine_on(dsn, pool, quick(), source) as two:
        engines = [one, two]
        for trial in range(trials):
            await some_started(engines, started(engines) + 10)
            await engines[trial % 2].stop_all()
            answered = started(engines)
            await asyncio.sleep(0.02)

            assert answered == started(engines)
            await engines[trial // 2 % 2].start_all()


@pytest.mark.parametrize("trials", [6, MANY])
async def test_a_backfill_that_is_taken_while_everything_is_being_stopped_starts_nothing(dsn, pool, trials):
    source = ListSource(entities(40))
    async with engine_on(dsn, pool, quick(), source) as one, engine_on(dsn, pool, quick(), source) as two:
        engines = [one, two]
        for trial in range(trials):
            stopped = asyncio.create_task(_stop_after(one, trial % 6 * 0.004))
            backfill = await make_backfill(pool, **ALL, max_in_flight=10)
            for engine in engines:
                engine.scheduler.nudge()
            await stopped
            answered = started(engines)
            await asyncio.sleep(0.01)

            assert answered == started(engines)
            await one.start_all()
            await one.until(backfill, "completed")


async def _stop_after(engine: Engine, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await engine.stop_all()


async def test_a_daemon_that_comes_up_under_the_order_starts_nothing_and_says_why(dsn, pool):
    backfill = await make_backfill(pool, **ALL)
    source = ListSource(entities(60))
    async with engine_on(dsn, pool, quick(), source) as first:
        await some_started([first], 5)
        await first.stop_all()
    done = started([first])
    async with engine_on(dsn, pool, quick(), source) as engine:
        await eventually(lambda: engine.scheduler.runner(backfill.number))
        row = await held(engine, backfill)
        reason = engine.scheduler.stop_reason
        before = started([engine])
        await engine.start_all()
        await engine.until(backfill, "completed")

    assert 0 == before
    assert (Status.RUNNING, ReasonCode.STOPPED_BY_OPERATOR) == (row.status, row.reason.code)
    assert "Everything was stopped by the tests." == row.reason.message == reason.message
    assert 60 == done + started([engine])


async def test_planning_is_held_too_and_goes_on_afterwards(dsn, pool):
    source = ListSource(entities(20))
    async with engine_on(dsn, pool, source=source) as engine:
        await engine.stop_all()
        backfill = await make_backfill(pool, **ALL)
        row = await held(engine, backfill)
        read = source.pages_read
        await engine.start_all()
        await engine.until(backfill, "completed")

    assert (Status.PLANNING, ReasonCode.STOPPED_BY_OPERATOR, 0) == (row.status, row.reason.code, read)
    assert {"succeeded": 20} == await engine.outcomes(backfill)


async def test_what_is_stopped_can_be_paused_and_cancelled(dsn, pool):
    paused, cancelled = await make_backfill(pool, **ALL), await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, quick(), ListSource(entities(500))) as engine:
        await some_started([engine], 20)
        await engine.stop_all()
        answered = started([engine])
        await engine.pause(paused)
        await engine.cancel(cancelled)
        await engine.until(cancelled, "cancelled")
        await engine.start_all()
        await asyncio.sleep(0.02)

    assert answered == started([engine])
    assert Status.PAUSED is (await engine.tools.backfills.get(paused.id)).status


async def test_an_owner_that_does_not_obey_is_not_confirmed_but_the_order_is_stored(dsn, pool, monkeypatch):
    monkeypatch.setattr("backfilld.engine.starting.stop_order.CONFIRM_SECONDS", 0.3)
    backfill = await make_backfill(pool, **ALL)
    await pool.execute(
        "INSERT INTO leases (backfill_number, holder, fence, expires_at)"
        " VALUES ($1, 'elsewhere/1', 1, clock_timestamp() + interval '1 hour')",
        backfill.number,
    )
    async with engine_on(dsn, pool) as engine:
        with pytest.raises(Unavailable) as refused:
            await engine.stop_all()

        assert "not_confirmed" == refused.value.code
        assert engine.scheduler.stop_reason is not None


async def test_an_owner_whose_lease_is_over_need_not_confirm(dsn, pool):
    backfill = await make_backfill(pool, **ALL)
    await pool.execute(
        "INSERT INTO leases (backfill_number, holder, fence, expires_at)"
        " VALUES ($1, 'elsewhere/1', 1, clock_timestamp())",
        backfill.number,
    )
    async with engine_on(dsn, pool) as engine:
        await engine.stop_all()

    assert engine.scheduler.stop_reason is not None


async def test_without_notifications_the_order_comes_with_the_next_renewal(dsn, pool, monkeypatch):
    """A pooler may swallow them; the answer then takes a second and not forever."""
    monkeypatch.setattr("backfilld.engine.starting.stop_order.Stopping.hear", lambda _: None)
    await make_backfill(pool, **ALL, max_in_flight=5)
    source = ListSource(entities(2000))
    async with engine_on(dsn, pool, quick(), source) as one, engine_on(dsn, pool, quick(), source) as two:
        await some_started([one, two], 10)
        idle = one if one.executor.starts == [] else two
        await idle.stop_all()
        answered = started([one, two])
        await asyncio.sleep(0.05)

        assert answered == started([one, two])


class TooLate(LeaseStore):
    """A pause is committed, and confirmed because the lease is over, while the first renewal is on its way."""

    def __init__(self, pool, number: int) -> None:
        super().__init__(pool, instance="me", process="1")
        self.backfills = BackfillStore(pool)
        self.number = number
        self.renewals = 0

    async def renew(self, held, **settings) -> Renewal:
        self.renewals += 1
        renewal = await super().renew(held, **settings)
        if self.renewals == 1:
            now = FakeClock().now()
            assert await self.backfills.move(
                self.number, Status.PAUSED, reason=None, at=now, expected=(Status.PLANNING,)
            )
        return renewal


async def test_a_lease_that_had_run_out_is_safe_again_only_with_all_that_was_confirmed_meanwhile(pool, clock):
    backfill = await make_backfill(pool, **ALL)
    store = TooLate(pool, backfill.number)
    keeper = LeaseKeeper(store, clock, Bus())
    lease = await keeper.take(backfill.number)
    clock.suspend(timedelta(seconds=10))
    await keeper.renew()

    assert 2 == store.renewals
    assert lease.is_safe(clock.boottime())
    assert backfill.version + 1 == lease.newest_version


async def test_a_lease_in_time_is_renewed_once(pool, clock):
    backfill = await make_backfill(pool, **ALL)
    store = TooLate(pool, backfill.number)
    keeper = LeaseKeeper(store, clock, Bus())
    lease = await keeper.take(backfill.number)
    await clock.advance(1)
    await keeper.renew()

    assert (1, clock.boottime()) == (store.renewals, lease.renewed_at)
