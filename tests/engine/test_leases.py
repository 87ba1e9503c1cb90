"""A lease is safe, lapsed or lost; the same for backfills and for attempts outside of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.support.attempts import make_attempts
from tests.support.backfills import make_backfill
from tests.support.clock import FakeClock

from backfilld.bus import Bus
from backfilld.domain.stopping import StopOrder
from backfilld.engine.attempts.leases import LiveLeases
from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.engine.service import Part
from backfilld.engine.starting.leases import SAFE_SECONDS, Lease, Renewer
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.events import Event, WorkGoesOn, WorkHeldUp
from backfilld.store.backfills.leases import Grant, LeaseStore, Renewal, Word
from backfilld.store.connection.pool import Pool
from backfilld.store.sessions.live_attempts import LiveAttemptStore

AGES = [(1.0, True), (SAFE_SECONDS - 0.001, True), (SAFE_SECONDS, False), (60.0, False)]


@dataclass
class Table:
    """Answers as a test says; `during` is done while a renewal is on its way."""

    tells_changes: bool
    words: dict[int, Word] = field(default_factory=lambda: {7: Word()})
    asked: list[tuple[int, int, int]] = field(default_factory=list)
    obeyed: list[tuple[int, int]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    trouble: Exception | None = None

    async def renew(self, held: Sequence[tuple[int, int, int]], *, obeys_stop: int, within_seconds: float) -> Renewal:
        self.asked.extend(held)
        self.during()
        if self.trouble is not None:
            raise self.trouble
        return Renewal(dict(self.words), None)

    async def obey(self, held: Sequence[tuple[int, int]], version: int) -> None:
        self.obeyed.extend((key, version) for key, _ in held)


class Kept:
    """One lease, and who renews it."""

    def __init__(self, clock: FakeClock, *, tells_changes: bool) -> None:
        self.clock = clock
        self.told: list[Event] = []
        bus = Bus()
        bus.listen(self.told.append)
        self.table = Table(tells_changes)
        self.renewer: Renewer[Grant] = Renewer(Part.LEASES, self.table, clock, bus, StopSwitch())
        self.lease = self.renewer.keep(Grant(7, 3, "me/1", clean=True), clock.boottime())

    @property
    def is_safe(self) -> bool:
        return self.lease.is_safe(self.clock.boottime())

    def pass_time(self, seconds: float) -> None:
        self.clock.suspend(timedelta(seconds=seconds))


@pytest.fixture(params=[True, False], ids=["backfills", "attempts"])
def kept(request: pytest.FixtureRequest, clock: FakeClock) -> Kept:
    return Kept(clock, tells_changes=request.param)


@pytest.mark.parametrize(("age", "is_safe"), AGES)
async def test_a_lease_is_safe_for_two_seconds_from_its_last_renewal(kept: Kept, age: float, is_safe: bool):
    kept.pass_time(1)
    await kept.renewer.renew()
    kept.pass_time(age)

    assert is_safe is kept.is_safe


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_lapse_is_over_only_where_renewals_tell_of_what_was_changed_meanwhile(kept: Kept, times: int):
    kept.pass_time(SAFE_SECONDS)
    for _ in range(times):
        await kept.renewer.renew()

    assert kept.table.tells_changes is kept.is_safe
    assert kept.table.tells_changes is not kept.lease.lapsed
    assert not kept.lease.lost


async def test_a_lease_that_lapses_while_its_renewal_is_on_its_way_has_lapsed(kept: Kept):
    kept.pass_time(1.5)
    kept.table.during = lambda: kept.pass_time(0.5) if len(kept.table.asked) == 1 else None
    await kept.renewer.renew()

    assert (2 if kept.table.tells_changes else 1) == len(kept.table.asked)
    assert kept.table.tells_changes is kept.is_safe


async def test_a_lapse_is_not_over_if_the_second_renewal_comes_too_late_as_well(kept: Kept):
    kept.pass_time(SAFE_SECONDS)
    kept.table.during = lambda: kept.pass_time(SAFE_SECONDS)
    await kept.renewer.renew()

    assert not kept.is_safe
    assert kept.lease.lapsed


async def test_what_the_second_renewal_tells_is_known_before_the_lapse_is_over(kept: Kept):
    kept.table.tells_changes = True
    kept.pass_time(SAFE_SECONDS)
    kept.table.during = lambda: kept.table.words.update({7: Word(version=len(kept.table.asked))})
    await kept.renewer.renew()

    assert (True, 2) == (kept.is_safe, kept.lease.newest_version)


async def test_a_database_that_renews_nothing_is_named_until_it_does(kept: Kept):
    kept.table.trouble = asyncpg.LockNotAvailableError("somebody holds the table")
    for _ in range(3):
        await kept.renewer.renew()
    obstacle = kept.renewer.obstacle
    kept.table.trouble = None
    await kept.renewer.renew()

    assert isinstance(obstacle, asyncpg.LockNotAvailableError)
    assert kept.renewer.obstacle is None
    assert [WorkHeldUp, WorkGoesOn] == [type(event) for event in kept.told]


async def test_a_lost_lease_is_told_once_and_never_safe_again(kept: Kept):
    lost: list[Lease[Any]] = []
    kept.lease.on_lost = lambda: lost.append(kept.lease)
    kept.table.words = {}
    for _ in range(2):
        await kept.renewer.renew()

    assert [kept.lease] == lost
    assert not kept.is_safe
    assert [] == kept.renewer.held


async def test_whoever_waits_for_a_stop_order_is_told_by_every_lease_that_is_kept(kept: Kept):
    await kept.renewer.obey(4)
    kept.renewer.forget(kept.lease)
    await kept.renewer.obey(5)

    assert [(7, 4)] == kept.table.obeyed


async def test_the_stop_order_that_a_lease_came_with_is_in_force_at_once(kept: Kept, clock: FakeClock):
    order = StopOrder(2, True, "anna", None, clock.now())
    kept.renewer.keep(Grant(8, 1, "me/1", clean=True, stop_order=order), clock.boottime())

    assert order == kept.renewer.stop_switch.order


async def test_one_looks_at_a_lease_and_sees_its_state(kept: Kept):
    texts = [repr(kept.lease)]
    kept.lease.lapsed = True
    texts.append(repr(kept.lease))
    kept.lease.lost = True
    texts.append(repr(kept.lease))

    assert ["<lease of 7, fence 3, renewed at 5000.000>", "<lease of 7, fence 3, lapsed>",
            "<lease of 7, fence 3, lost>"] == texts  # fmt: skip


async def take_backfill(pool: Pool, clock: FakeClock) -> tuple[Renewer[Any], Lease[Any]]:
    keeper = LeaseKeeper(LeaseStore(pool, instance="a", process="1"), clock, Bus())
    lease = await keeper.take((await make_backfill(pool)).number)
    assert lease is not None
    return keeper, lease


async def take_attempt(pool: Pool, clock: FakeClock) -> tuple[Renewer[Any], Lease[Any]]:
    await make_attempts(pool)
    leases = LiveLeases(LiveAttemptStore(pool, pool, instance="a", process="1"), clock, Bus(), StopSwitch())
    lease = await leases.take(last_round=2)
    assert lease is not None
    return leases, lease


@pytest.fixture(params=[take_backfill, take_attempt], ids=["backfill", "attempt"])
async def taken(request: pytest.FixtureRequest, pool: Pool, clock: FakeClock) -> AsyncIterator[Any]:
    return await request.param(pool, clock)


async def test_both_tables_renew_what_is_ours_and_say_what_is_not(taken: Any, pool: Pool, clock: FakeClock):
    renewer, lease = taken
    clock.suspend(timedelta(seconds=1))
    await renewer.renew()
    renewed_at = lease.renewed_at
    await asyncio.gather(
        pool.execute("UPDATE leases SET fence = fence + 1"), pool.execute("UPDATE attempts SET fence = fence + 1")
    )
    await renewer.renew()

    assert clock.boottime() == renewed_at
    assert lease.lost


@pytest.mark.parametrize("asleep", [SAFE_SECONDS, 60])
async def test_an_attempt_that_was_asleep_for_too_long_starts_nothing_any_more_and_a_backfill_does(
    taken: Any, clock: FakeClock, asleep: float
):
    renewer, lease = taken
    clock.suspend(timedelta(seconds=asleep))
    for _ in range(2):
        await renewer.renew()

    assert isinstance(renewer, LeaseKeeper) is lease.is_safe(clock.boottime())
    assert not lease.lost
