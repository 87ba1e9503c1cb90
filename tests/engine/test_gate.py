"""The last step before a start: what forbids one, in which order, and how a pause knows that nothing is on its way."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from tests.engine.parts import MONDAY_NOON_TO_ONE, Target, a_backfill, a_lease, an_item, renewed, step
from tests.support.backfills import ALWAYS, with_settings
from tests.support.clock import NOON, FakeClock, settle

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.records import InFlight
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.backfills.gate import CannotGoOn, Gate
from backfilld.executors.base import NotPermitted

R = ReasonCode
REFUSED = Verdict(VerdictKind.REFUSED, error="no")
TUESDAY = {"tuesday": [{"run_start_time": "12:00", "run_end_time": "13:00"}]}


@pytest.fixture
def target(clock: FakeClock) -> Target:
    return Target(clock)


def refusal(gate: Gate, clock: FakeClock) -> ReasonCode | bool | None:
    """The code; False if something may start."""
    found = gate.refusal(clock.now())
    return False if found is None else found.code


def is_permitted(gate: Gate, position: int = 0) -> bool:
    try:
        gate.permit(an_item(position)).start()
    except NotPermitted:
        return False
    return True


async def test_an_open_gate_lets_an_item_start(target: Target, clock: FakeClock):
    gate = target.gate()

    assert refusal(gate, clock) is False
    assert is_permitted(gate)


async def test_what_a_person_wants_to_hear_first_is_said_first(target: Target, clock: FakeClock):
    lease = a_lease(clock)
    paused = Reason(R.PAUSED_BY_USER, "paused", NOON)
    gate = target.gate(
        lease, daily_execution_windows=TUESDAY, workflow_enabled=False, status=Status.PAUSED, reason=paused
    )
    target.health.note(REFUSED, "x", probe=False)
    gate.drain()
    clock.suspend(timedelta(seconds=2))
    said = [refusal(gate, clock)]
    gate.apply(replace(gate.backfill, status=Status.RUNNING, reason=None, version=2))
    said.append(refusal(gate, clock))
    renewed(lease, clock)
    said.append(refusal(gate, clock))
    gate.draining = False
    said.append(refusal(gate, clock))
    gate.apply(replace(gate.backfill, workflow_enabled=True))
    said.append(refusal(gate, clock))
    gate.apply(replace(gate.backfill, settings=a_backfill().settings))
    said.append(refusal(gate, clock))
    target.health.reset()
    said.append(refusal(gate, clock))

    assert [R.PAUSED_BY_USER, None, R.DRAINING, R.WORKFLOW_DISABLED, R.OUTSIDE_WINDOW, R.TARGET_REFUSES, False] == said


async def test_all_that_forbids_a_start_is_told_beginning_with_what_is_said_first(target: Target, clock: FakeClock):
    gate = target.gate(daily_execution_windows=TUESDAY, workflow_enabled=False)
    target.health.note(REFUSED, "x", probe=False)
    target.health.note(Verdict(VerdictKind.THROTTLED, retry_after_seconds=60), "y", probe=False)
    said = [reason.code for reason in gate.reasons(clock.now())]

    assert [R.WORKFLOW_DISABLED, R.OUTSIDE_WINDOW, R.TARGET_REFUSES, R.RATE_LIMITED] == said
    assert said[0] is refusal(gate, clock)


async def test_what_is_in_flight_is_known_with_its_try_and_its_start_the_oldest_first(target: Target, clock: FakeClock):
    gate = target.gate()
    for position in (4, 2, 3):
        gate.permit(an_item(position)).start()
        await clock.advance(timedelta(seconds=0.5))

    assert [InFlight(4, 1, NOON), InFlight(2, 1, NOON + timedelta(seconds=0.5))] == gate.oldest(2)


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.RUNNING, Status.WAITING)])
async def test_only_what_runs_or_waits_starts_anything(target: Target, status: Status):
    assert not is_permitted(target.gate(status=status))


@pytest.mark.parametrize("kind", ["passed", "slept"])
async def test_a_lease_is_safe_for_less_than_two_seconds_of_boot_time(target: Target, clock: FakeClock, kind: str):
    gate = target.gate()
    almost, rest = timedelta(seconds=1.999), timedelta(seconds=0.001)
    if kind == "slept":
        clock.suspend(almost)
        safe = is_permitted(gate)
        clock.suspend(rest)
    else:
        await clock.advance(almost)
        safe = is_permitted(gate)
        await clock.advance(rest)

    assert safe
    assert not is_permitted(gate, 1)


async def test_a_stepped_wall_clock_makes_no_lease_safe_or_unsafe(target: Target, clock: FakeClock):
    gate = target.gate()
    step(clock, timedelta(hours=5))
    forth = is_permitted(gate)
    clock.suspend(timedelta(seconds=2))
    step(clock, timedelta(hours=-20))

    assert forth
    assert not is_permitted(gate, 1)


async def test_a_lost_lease_starts_nothing_however_fresh(target: Target, clock: FakeClock):
    lease = a_lease(clock)
    lease.lost = True

    assert not is_permitted(target.gate(lease))


async def test_what_was_changed_elsewhere_is_in_force_before_anything_starts(target: Target, clock: FakeClock):
    lease = a_lease(clock)
    gate = target.gate(lease, version=4)
    lease.newest_version = 5  # as a renewal told
    while_unknown = is_permitted(gate)
    gate.apply(replace(gate.backfill, version=5))

    assert not while_unknown
    assert is_permitted(gate)


async def test_a_lapsed_lease_starts_nothing_however_fresh(target: Target, clock: FakeClock):
    lease = a_lease(clock)
    lease.lapsed = True

    assert not is_permitted(target.gate(lease))


@pytest.mark.parametrize(
    ("at", "permitted"),
    [
        (NOON - timedelta(microseconds=1), False),
        (NOON, True),
        (NOON + timedelta(hours=1, microseconds=-1), True),
        (NOON + timedelta(hours=1), False),
    ],
)
async def test_windows_are_half_open_at_the_gate(clock: FakeClock, target: Target, at, permitted: bool):
    gate = target.gate(daily_execution_windows=MONDAY_NOON_TO_ONE)
    clock.set(at)

    assert permitted == is_permitted(gate)


async def test_a_clock_that_steps_over_an_edge_and_back_is_followed_each_time(target: Target, clock: FakeClock):
    gate = target.gate(daily_execution_windows=MONDAY_NOON_TO_ONE)
    seen = []
    for hours in (0, -1, 1, 2, -2, 1, -1):
        step(clock, timedelta(hours=hours))
        seen.append(refusal(gate, clock) is False)

    assert [True, False, True, False, True, False, True] == seen


async def test_an_excluded_date_is_closed(target: Target, clock: FakeClock):
    gate = target.gate(excluded_dates=frozenset({date(2027, 3, 1)}))
    found = gate.refusal(clock.now())

    assert R.OUTSIDE_WINDOW is found.code
    assert NOON + timedelta(hours=12) == found.until


async def test_windows_that_never_open_are_told_as_such(target: Target, clock: FakeClock):
    # 02:15 in New York exists on every Sunday but one; that one alone is not excluded
    days = {date(2027, 1, 3) + timedelta(weeks=n) for n in range(120)} - {date(2027, 3, 14)}
    sunday = {"sunday": [{"run_start_time": "02:15", "run_end_time": "02:45"}]}
    gate = target.gate(daily_execution_windows=sunday, timezone="America/New_York", excluded_dates=frozenset(days))
    found = gate.refusal(clock.now())

    assert (R.NEVER_OPENS, None) == (found.code, found.until)


async def test_no_more_start_than_may_be_in_flight(target: Target, clock: FakeClock):
    gate = target.gate(max_in_flight=3)
    started = [is_permitted(gate, n) for n in range(5)]

    assert [True, True, True, False, False] == started
    assert 3 == len(gate.in_flight)


async def test_an_older_row_does_not_undo_a_newer_one(target: Target, clock: FakeClock):
    gate = target.gate()
    old = gate.backfill
    gate.apply(replace(old, status=Status.PAUSED, version=3, reason=Reason(R.PAUSED_BY_USER, "p", NOON)))
    gate.apply(replace(old, version=2))

    assert R.PAUSED_BY_USER is refusal(gate, clock)


async def test_a_permit_is_good_for_one_start(target: Target):
    ticket = target.gate().permit(an_item())
    ticket.start()

    with pytest.raises(NotPermitted):
        ticket.start()


async def test_a_pause_waits_for_what_has_passed_and_is_not_sent(target: Target, clock: FakeClock):
    gate = target.gate()
    first, second = gate.permit(an_item(0)), gate.permit(an_item(1))
    first.start()
    second.start()
    settled = asyncio.ensure_future(gate.settled())
    await settle()
    none_sent = settled.done()
    first.sent()
    first.sent()  # as often as it likes
    await settle()
    one_sent = settled.done()
    second.end()  # ended without a word about sending
    await settle()

    assert [False, False, True] == [none_sent, one_sent, settled.done()]
    assert [0] == list(gate.in_flight)


async def test_a_permit_that_never_started_leaves_no_trace(target: Target):
    gate = target.gate()
    gate.permit(an_item()).end()

    await asyncio.wait_for(gate.settled(), 1)
    assert {} == gate.in_flight


async def test_the_slots_fill_over_a_ramp_when_a_window_opens(target: Target, clock: FakeClock):
    gate = target.gate(ramp_seconds=2.0, max_in_flight=10)
    before = gate.ramp_limit()
    gate.open_slowly()
    limits = []
    for _ in range(6):
        limits.append(gate.ramp_limit())
        await clock.advance(0.5)

    assert 10 == before
    assert [1, 3, 5, 8, 10, 10] == limits


async def test_more_slots_fill_over_a_ramp_from_where_they_were(target: Target, clock: FakeClock):
    gate = target.gate(ramp_seconds=2.0, max_in_flight=4)
    gate.apply(with_settings(gate.backfill, {"max_in_flight": 10, "version": 2}))
    limits = []
    for _ in range(5):
        limits.append(gate.ramp_limit())
        await clock.advance(0.5)
    gate.apply(with_settings(gate.backfill, {"max_in_flight": 3, "version": 3}))

    assert [4, 6, 7, 9, 10] == limits
    assert 3 == gate.ramp_limit()


@pytest.mark.parametrize(("before", "after", "first"), [
    (TUESDAY, ALWAYS, 1), (ALWAYS, MONDAY_NOON_TO_ONE, 10), (TUESDAY, None, 1), (None, ALWAYS, 10),
])  # fmt: skip
async def test_other_windows_that_are_open_are_an_opening(target: Target, before: Any, after: Any, first: int):
    gate = target.gate(ramp_seconds=2.0, max_in_flight=10, daily_execution_windows=before)
    gate.apply(with_settings(gate.backfill, {"daily_execution_windows": after, "version": 2}))

    assert first == gate.ramp_limit()


async def test_a_stepped_wall_clock_does_not_disturb_the_ramp(target: Target, clock: FakeClock):
    gate = target.gate(ramp_seconds=2.0, max_in_flight=10)
    gate.open_slowly()
    step(clock, timedelta(days=-400))
    await clock.advance(1)

    assert 5 == gate.ramp_limit()


async def test_a_target_in_doubt_gets_one_probe_whatever_the_limit(target: Target, clock: FakeClock):
    gate, other = target.gate(max_in_flight=10), target.gate(max_in_flight=10)
    target.health.note(REFUSED, "x", probe=False)
    await clock.advance(5)
    renewed(gate._lease, clock)
    renewed(other._lease, clock)
    limit = gate.ramp_limit()
    ticket = gate.permit(an_item())
    ticket.start()
    beside = is_permitted(gate, 1) or is_permitted(other, 1)
    target.health.note(SUCCEEDED, "7/0", probe=ticket.is_probe)

    assert 1 == limit
    assert not beside
    assert is_permitted(gate, 1)
    assert is_permitted(other, 1)


async def test_whatever_may_have_changed_an_answer_is_announced(target: Target, clock: FakeClock):
    gate = target.gate()
    announced = []
    for change in (
        lambda: target.health.note(REFUSED, "x", probe=False),
        target.health.reset,
        lambda: gate.apply(replace(gate.backfill, version=2)),
        gate.drain,
    ):
        gate.changed.clear()
        change()
        announced.append(gate.changed.is_set())

    assert [True] * 4 == announced


async def test_a_closed_gate_listens_no_more(target: Target):
    gate = target.gate()
    gate.close()
    gate.changed.clear()
    target.health.note(REFUSED, "x", probe=False)

    assert not gate.changed.is_set()


async def test_a_backfill_whose_zone_or_windows_cannot_be_read_cannot_go_on(target: Target):
    with pytest.raises(CannotGoOn, match="Mars/Olympus"):
        target.gate(timezone="Mars/Olympus")
    with pytest.raises(CannotGoOn, match="cannot be read"):
        target.gate(daily_execution_windows={"monday": [{"run_start_time": "9:00", "run_end_time": "10:00"}]})
