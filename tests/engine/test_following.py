"""The short way to the next item: taken only when nothing at all is out of the ordinary."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.engine.parts import TARGET, Target, a_run, an_account, an_item, break_down
from tests.support.clock import NOON, FakeClock

from backfilld.bus import Bus
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.engine.backfills.recorder import Recorder
from backfilld.engine.backfills.running.fast_path import FastPath
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.engine.backfills.running.slots import Slots
from backfilld.engine.starting.capacity import Capacity
from backfilld.engine.starting.repeats import Repeats
from backfilld.store.ledger.recovery import Round


class Short:
    """A short way on which everything is as usual, and two items have been read."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.gate = Target(clock).gate(ramp_seconds=2.0)
        self.account = an_account(clock, most=3)
        self.account.retries_known = True
        self.slots, self.capacity = Slots(5), Capacity(1)
        recorder = Recorder(None, clock, Bus(), linger_seconds=0)  # type: ignore[arg-type]
        run = a_run(self.gate, clock, recovery=None, repeats=Repeats(), capacity=self.capacity, recorder=recorder)
        self.places = run.places
        self.reader = PlanReader(run, None, self.account)
        self.reader._ahead.extend([an_item(0), an_item(1)])
        self.reader._exhausted = True
        self.recovery = Recovery(run, None)  # type: ignore[arg-type]
        self.following = FastPath(run, self.account, self.reader, self.recovery, self.slots)

    def apply(self, **changes: object) -> None:
        self.gate.apply(replace(self.gate.backfill, version=self.gate.backfill.version + 1, **changes))  # type: ignore[arg-type]

    async def next(self) -> Item | None:
        async with asyncio.timeout(5):
            return await self.following.next()


@pytest.fixture
def short(clock: FakeClock) -> Short:
    return Short(clock)


async def test_items_that_have_been_read_follow_each_other(short: Short):
    assert [an_item(0), an_item(1), None] == [await short.next(), await short.next(), await short.next()]


WAITING = Reason(ReasonCode.WAITING_FOR_RETRY, "…", NOON)
OUT_OF_THE_ORDINARY: dict[str, Callable[[Short], object]] = {
    "another limit than there are slots": lambda short: short.slots.resize(4),
    "paused": lambda short: short.apply(status=Status.PAUSED),
    "waiting": lambda short: short.apply(status=Status.WAITING, reason=WAITING),
    "running with a reason": lambda short: short.apply(reason=WAITING),
    "to be woken": lambda short: short.apply(wake_at=NOON),
    "over sessions": lambda short: short.apply(kind="schedule"),
    "a window has just opened": lambda short: short.gate.open_slowly(),
    "the target is being probed": lambda short: break_down(short.gate.health),
    "fewer slots than before": lambda short: take_all_and_shrink(short.slots),
    "another backfill waits that has less": lambda short: another_waits(short, has=0),
    "retries are not known": lambda short: setattr(short.account, "retries_known", False),
    "a retry is due": lambda short: short.account.note_retry(short.clock.now()),
    "items of a dead process": lambda short: setattr(short.recovery, "wants_planned", True),
    "what is repeated runs one at a time": lambda short: setattr(short.recovery, "_round", Round(2, 1, 1, 1)),
    "something was given back": lambda short: short.reader.give_back(an_item(9)),
    "the source has it no more": lambda short: short.reader._ahead.appendleft(an_item(9, skip_reason="entity_gone")),
}


def take_all_and_shrink(slots: Slots) -> None:
    for _ in range(slots.limit):
        slots._free._value -= 1
    slots.resize(2)


def another_waits(short: Short, *, has: int) -> None:
    """For a place, all of which are taken; one of them by us."""
    other = short.capacity.share(TARGET)
    other.held, short.places.held = has, 1
    short.capacity.waiting, short.capacity.shares_waiting[other] = 1, None


@pytest.mark.parametrize("what", OUT_OF_THE_ORDINARY)
async def test_whatever_is_out_of_the_ordinary_is_left_to_the_worker(short: Short, what: str):
    OUT_OF_THE_ORDINARY[what](short)

    assert await short.next() is None


async def test_a_place_is_kept_while_nobody_waits_who_has_less(short: Short):
    another_waits(short, has=1)

    assert an_item(0) == await short.next()


async def test_a_retry_that_is_not_due_yet_stops_nothing(short: Short):
    short.account.note_retry(short.clock.now() + timedelta(seconds=1))

    assert an_item(0) == await short.next()


async def test_what_was_changed_back_goes_on(short: Short):
    short.apply(status=Status.PAUSED)
    while_paused = await short.next()
    short.apply(status=Status.RUNNING)

    assert while_paused is None
    assert an_item(0) == await short.next()


async def test_without_room_it_waits_for_a_commit_and_looks_again_then(short: Short):
    for position in range(3):
        short.account.ended(position, finally_=True)
    waiting = asyncio.create_task(short.next())
    await asyncio.sleep(0)
    before = waiting.done()
    short.apply(status=Status.PAUSED)
    short.account.written(3)

    assert not before
    assert await waiting is None


async def test_without_room_it_leaves_its_place_to_a_backfill_that_waits_for_one(short: Short):
    for position in range(3):
        short.account.ended(position, finally_=True)
    another_waits(short, has=1)

    assert await short.next() is None
