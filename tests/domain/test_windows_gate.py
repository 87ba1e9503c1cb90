"""The remembered answer is the answer, however the clock moves."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.wall_clock_oracle import instant
from tests.domain.window_strategies import calendar, situations
from tests.support.examples import examples

from backfilld.domain.windows.gate import WindowGate
from backfilld.domain.windows.openings import Calendar, WindowState

OFFICE = {"monday": [{"run_start_time": "09:00", "run_end_time": "17:00"}]}


class Counted(Calendar):
    """Counts how often it is really asked."""

    asked = 0

    def state(self, at):
        type(self).asked += 1
        return super().state(at)


@given(situations(), st.lists(st.integers(-9 * 86_400 * 10, 9 * 86_400 * 10), min_size=1, max_size=50))
@settings(max_examples=examples(60), deadline=None)
def test_the_gate_says_what_the_calendar_says_however_the_clock_steps(situation, steps):
    gate = WindowGate(situation.calendar)
    for tenths in [*steps, *sorted(steps)]:
        at = instant(situation.second) + timedelta(milliseconds=100 * tenths)

        assert situation.calendar.state(at) == gate.check(at)
        assert situation.calendar.is_open(at) == gate.check(at).open


def test_the_gate_asks_again_only_at_an_edge_or_after_a_step_back():
    plain = calendar(OFFICE, "UTC")
    Counted.asked = 0
    gate = WindowGate(Counted(plain.windows, plain.zone))
    monday = instant(1803891600)  # 2027-03-01 09:00
    for at, asked in [(0, 1), (1, 1), (8 * 3600 - 0.001, 1), (8 * 3600, 2), (86_400, 2), (7 * 86_400, 3), (60, 4)]:
        gate.check(monday + timedelta(seconds=at))

        assert asked == Counted.asked


def test_the_gate_looks_again_every_hour_while_nothing_is_in_sight():
    plain = calendar(OFFICE, "UTC")
    now = instant(1803891600)
    within = {(now + timedelta(days=number)).date() for number in range(403)}
    gate = WindowGate(Calendar(plain.windows, plain.zone, frozenset(within)))
    opens_at = now + timedelta(days=406)

    assert WindowState(False, None, None) == gate.check(now)
    assert WindowState(False, opens_at, None) == gate.check(now + timedelta(days=6, hours=1))
