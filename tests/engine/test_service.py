"""The loop of whatever runs by itself: no nudge is lost, and no wait for the database is silent."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import asyncpg
import pytest
from tests.support.clock import FakeClock, settle

from backfilld.bus import Bus
from backfilld.engine.service import LONGEST_PAUSE_SECONDS, Part, Patience, Service
from backfilld.events import Event, WorkGoesOn, WorkHeldUp


class Ticks:
    """Counts, and does what the next in `script` says."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.at: list[float] = []
        self.during: Callable[[], None] = lambda: None
        self.trouble: Exception | None = None
        self.wakes_in: timedelta | None = None

    async def __call__(self) -> datetime | None:
        self.at.append(self.clock.monotonic() - 1000.0)
        self.during()
        if self.trouble is not None:
            raise self.trouble
        return self.wakes_in and self.clock.now() + self.wakes_in


class Running:
    def __init__(self, clock: FakeClock) -> None:
        self.told: list[Event] = []
        bus = Bus()
        bus.listen(self.told.append)
        self.ticks = Ticks(clock)
        self.service = Service(self.ticks, clock, Patience.of(Part.ATTEMPTS, clock, bus))
        self.task = asyncio.create_task(self.service.serve())


@pytest.fixture
async def running(clock: FakeClock):
    running = Running(clock)
    await settle()
    yield running
    running.task.cancel()
    await asyncio.gather(running.task, return_exceptions=True)


async def test_a_nudge_makes_it_look_at_once(running: Running):
    running.service.nudge()
    await settle()

    assert [0.0, 0.0] == running.ticks.at


async def test_a_nudge_that_comes_during_a_look_is_not_lost(running: Running):
    once = iter([running.service.nudge])
    running.ticks.during = lambda: [nudge() for nudge in once]
    running.service.nudge()
    await settle()

    assert 3 == len(running.ticks.at)


async def test_it_looks_when_the_last_look_said_and_else_once_a_minute(running: Running, clock: FakeClock):
    await clock.advance(60)
    running.ticks.wakes_in = timedelta(seconds=7)
    await clock.advance(60)
    await clock.advance(7)

    assert [0.0, 60.0, 120.0, 127.0] == running.ticks.at


async def test_a_database_that_is_away_is_asked_ever_more_rarely_and_told_of_once(running: Running, clock: FakeClock):
    running.ticks.trouble = asyncpg.LockNotAvailableError("somebody holds it")
    running.service.nudge()
    await clock.advance(30)
    pauses = [round(b - a, 3) for a, b in zip(running.ticks.at[1:], running.ticks.at[2:], strict=False)]
    obstacle = running.service.obstacle
    running.ticks.trouble = None
    await clock.advance(5)

    assert [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE_SECONDS] == pauses[:7]
    assert LONGEST_PAUSE_SECONDS == max(pauses)
    assert isinstance(obstacle, asyncpg.LockNotAvailableError)
    assert running.service.obstacle is None
    assert [WorkHeldUp, WorkGoesOn] == [type(event) for event in running.told]
    assert ("attempts", "attempts") == tuple(event.part for event in running.told)


async def test_after_an_outage_the_first_pause_is_short_again(running: Running, clock: FakeClock):
    running.ticks.trouble = ConnectionError()
    running.service.nudge()
    await clock.advance(20)
    running.ticks.trouble = None
    await clock.advance(5)
    running.ticks.at.clear()
    running.ticks.trouble = ConnectionError()
    running.service.nudge()
    await clock.advance(0.1)

    assert 0.1 == round(running.ticks.at[1] - running.ticks.at[0], 3)


async def test_a_bug_ends_it_loudly(running: Running):
    running.ticks.trouble = KeyError("a bug")
    running.service.nudge()
    await settle()

    with pytest.raises(KeyError):
        running.task.result()
    assert [] == running.told


async def test_several_that_wait_are_one_wait(clock: FakeClock):
    waits: list[str] = []
    patience = Patience(clock, lambda _: waits.append("begin"), lambda seconds: waits.append(f"end after {seconds}"))
    one, other = object(), object()
    patience.waits(one, ConnectionError("first"))
    await clock.advance(2)
    patience.waits(other, ConnectionError("second"))
    patience.goes_on(one)
    between = (str(patience.obstacle), list(waits))
    await clock.advance(1)
    patience.goes_on(other)

    assert ("second", ["begin"]) == between
    assert (None, ["begin", "end after 3.0"]) == (patience.obstacle, waits)


async def test_whoever_gives_up_waits_no_more(clock: FakeClock):
    class Over(Exception):
        pass

    over = False

    def check() -> None:
        if over:
            raise Over

    async def away() -> None:
        raise ConnectionError

    patience = Patience(clock, lambda _: None)
    task = asyncio.create_task(patience.insist(away, check=check))
    await clock.advance(1)
    waited = patience.obstacle
    over = True
    await clock.advance(5)

    assert isinstance(waited, ConnectionError)
    assert isinstance(task.exception(), Over)
    assert patience.obstacle is None
