"""The clock that tests move does what they believe it does."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support.clock import NOON, FakeClock, settle


async def test_sleepers_are_woken_in_their_order_each_at_its_time(clock):
    woken = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, (clock.now() - NOON).total_seconds()))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (30, 10, 20, 100)]
    await clock.advance(timedelta(seconds=60))

    assert [(10, 10), (20, 20), (30, 30)] == woken
    assert NOON + timedelta(seconds=60) == clock.now()
    assert 40 == clock.next_wake

    await clock.advance(40)
    await asyncio.gather(*tasks)


async def test_who_sleeps_again_is_woken_again_within_one_advance(clock):
    ticks = []

    async def loop() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.monotonic())

    task = asyncio.create_task(loop())
    await clock.advance(5)
    task.cancel()

    assert 5 == len(ticks)


async def test_a_stepped_wall_clock_wakes_nobody(clock):
    task = asyncio.create_task(clock.sleep(60))
    await settle()
    before = clock.monotonic()
    clock.set(NOON + timedelta(days=1))
    await settle()

    assert not task.done()
    assert datetime(2027, 3, 2, 12, tzinfo=UTC) == clock.now()
    assert before == clock.monotonic()

    await clock.advance(60)
    assert task.done()


async def test_a_suspended_machine_misses_monotonic_time_alone(clock):
    wall, monotonic, boot = clock.now(), clock.monotonic(), clock.boottime()
    clock.suspend(timedelta(hours=1))

    assert (3600, 0, 3600) == (
        (clock.now() - wall).total_seconds(),
        clock.monotonic() - monotonic,
        clock.boottime() - boot,
    )


async def test_waiting_ends_with_the_event_or_at_the_instant_or_after_a_minute(clock):
    event = asyncio.Event()
    for_event = asyncio.create_task(clock.wait(event))
    until = asyncio.create_task(clock.wait(asyncio.Event(), until=NOON + timedelta(seconds=5)))
    for_a_minute = asyncio.create_task(clock.wait(asyncio.Event(), until=NOON + timedelta(days=5)))
    await clock.advance(4)

    assert [False, False, False] == [task.done() for task in (for_event, until, for_a_minute)]

    event.set()
    await clock.advance(1)

    assert for_event.result() is True
    assert until.result() is False
    assert not for_a_minute.done()

    await clock.advance(55)

    assert for_a_minute.result() is False


async def test_a_cancelled_sleeper_is_forgotten(clock):
    task = asyncio.create_task(clock.sleep(60))
    await settle()
    task.cancel()
    await settle()

    assert 0 == clock.sleepers


def test_it_is_a_clock():
    from backfilld.clock import Clock

    clock: Clock = FakeClock()

    assert 0 == clock.now().utcoffset().total_seconds()
