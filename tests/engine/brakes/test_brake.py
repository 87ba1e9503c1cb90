"""One brake under a clock that a test moves: the first look, hanging ones, stale verdicts, latches and releases."""

import asyncio
from datetime import timedelta

import pytest
from tests.engine.brakes.signals import Scripted, brake
from tests.support.clock import FakeClock, settle

from backfilld.bus import Bus
from backfilld.domain.brakes.kept import Kept
from backfilld.engine.brakes.brake import Brake
from backfilld.events import BrakeLookFailed, BrakeMoved, Event


class World:
    """A brake on a scripted signal, and what it told."""

    def __init__(self, clock: FakeClock, **rules: object) -> None:
        self.clock, self.signal = clock, Scripted()
        self.events: list[Event] = []
        self.changes = 0
        bus = Bus()
        bus.listen(self.events.append)
        settings, make = brake("crm_lag", self.signal, **{"every_seconds": 5.0, "timeout_seconds": 2.0} | rules)
        self.brake = Brake(settings, make(), clock, bus, self._changed)
        self.brake.keep(Kept())

    def _changed(self) -> None:
        self.changes += 1

    async def look(self, *values: float | None) -> None:
        for value in values:
            self.signal.value = value
            await self.brake.look()

    @property
    def code(self) -> str | None:
        reason = self.brake.reason(self.clock.now())
        return None if reason is None else reason.code.value

    @property
    def words(self) -> str:
        reason = self.brake.reason(self.clock.now())
        return "" if reason is None else reason.message


@pytest.fixture
def world(clock: FakeClock) -> World:
    return World(clock)


async def test_it_holds_until_its_first_look_has_ended_however_that_goes(world: World):
    before = world.words
    await world.look(None)

    assert "Braked by crm_lag, which has not been looked at yet." == before
    assert None is world.code


async def test_it_holds_until_it_is_known_whether_it_is_latched(clock: FakeClock):
    world = World(clock)
    world.brake.kept = None
    await world.look(1)

    assert "braked" == world.code


async def test_a_first_look_that_is_quick_is_not_told_of(world: World, clock: FakeClock):
    early = world.brake.is_worth_telling(clock.now())
    late = world.brake.is_worth_telling(clock.now() + timedelta(seconds=1))
    await world.look(11)

    assert (False, True, True) == (early, late, world.brake.is_worth_telling(clock.now()))


async def test_a_look_that_hangs_fails_in_time_and_three_of_them_hold(clock: FakeClock):
    world = World(clock)
    await world.look(1)
    world.signal.hangs = world.signal.ignores_cancel = True
    codes = []
    for _ in range(3):
        task = asyncio.ensure_future(world.brake.look())
        await settle()
        await clock.advance(2)
        await task
        codes.append(world.code)
    world.signal.hangs = False

    assert [None, None, "braked"] == codes
    assert 2 == world.signal.looks  # while one hangs no other begins
    assert [BrakeLookFailed("crm_lag", "no answer within 2 s")] == [
        event for event in world.events if isinstance(event, BrakeLookFailed)
    ]


@pytest.mark.parametrize(("on_error", "code"), [("hold", "braked"), ("go_on", None)])
async def test_a_verdict_that_is_too_old_counts_as_an_error(clock: FakeClock, on_error: str, code: str | None):
    world = World(clock, on_error=on_error)
    await world.look(1)
    clock.suspend(timedelta(seconds=16.9))
    before = world.code
    clock.suspend(timedelta(seconds=0.1))

    assert (None, code) == (before, world.code)


@pytest.mark.parametrize(("on_error", "code"), [("hold", "braked"), ("go_on", None)])
async def test_so_does_one_that_held(clock: FakeClock, on_error: str, code: str | None):
    world = World(clock, on_error=on_error)
    await world.look(11)
    clock.suspend(timedelta(seconds=17))

    assert code == world.code


async def test_it_latches_beyond_the_critical_limit_until_the_latch_is_taken_away(world: World, clock: FakeClock):
    await world.look(121)
    latched, unwritten = world.code, world.brake.unwritten
    world.brake.keep(Kept(critical_at=clock.now(), critical_value=121.0))
    world.brake.unwritten = None
    await world.look(1, 1, 1, 1)
    still = world.words
    world.brake.keep(Kept())

    assert "braked_critically" == latched
    assert (clock.now(), 121.0) == unwritten
    assert "was at 121" in still
    assert None is world.code


async def test_a_latch_outlives_its_process(world: World, clock: FakeClock):
    world.brake.keep(Kept(critical_at=clock.now(), critical_value=121.0))
    await world.look(1)

    assert "braked_critically" == world.code


async def test_a_release_opens_it_and_ends_by_itself(world: World, clock: FakeClock):
    until = clock.now() + timedelta(minutes=10)
    await world.look(121)
    world.brake.keep(Kept(clock.now(), 121.0, until, "ops", None))
    released = world.code
    clock.set(until - timedelta(microseconds=1))
    last = world.code
    clock.set(until)

    assert (None, None, "braked_critically") == (released, last, world.code)


async def test_whoever_listens_hears_once_of_each_change(world: World):
    await world.look(1, 1, 11, 12, 5, 5, 5, 5)

    assert ["holds", "open"] == [event.state for event in world.events if isinstance(event, BrakeMoved)]
    assert 4 == world.changes  # what is kept, the first look, and twice the verdict
