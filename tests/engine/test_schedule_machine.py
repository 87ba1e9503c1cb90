"""A schedule and its backfills against chance: no slot is lost or fired twice, whatever people, clocks and kills do.

`whole_schedules.py` has the rules; as in `test_machine.py`, a step that fails is told as a program.
"""

import math
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from tests.engine.machines import *  # noqa: F403 - fixtures
from tests.engine.machines import PLAIN, MachineOfTwo
from tests.engine.whole_schedules import WholeSchedule
from tests.support.wire import Wire

from backfilld.operations.sessions import attempts, kill
from backfilld.store.connection.pool import Pool


class Machine(MachineOfTwo):
    """Of one schedule."""

    whole: WholeSchedule

    async def make(self, pool: Pool, wires: list[Wire], seed: int) -> None:
        self.whole = WholeSchedule(pool, wires)
        self.whole.chance.seed(seed)
        await self.whole.begin()

    @rule(minutes=st.sampled_from([-30.0, -6.0, 1.0, 5.0, 12.0, 60.0]))
    def pass_time(self, minutes: float) -> None:
        if self.began:
            self.whole.pass_time(minutes)

    @rule(
        minutes=st.integers(5, 40),
        max_in_flight=st.integers(1, 3),
        advances=st.sampled_from([False, False, True]),
        skips=st.booleans(),
    )
    def backfill(self, minutes: int, max_in_flight: int, advances: bool, skips: bool) -> None:
        if self.began:
            self.run(self.whole.backfill(minutes, max_in_flight, advances, skips))

    @rule(verb=st.sampled_from(["pause", "resume", "resume", "cancel"]))
    def steer_a_backfill(self, verb: str) -> None:
        if self.began:
            self.run(self.whole.move(verb))

    @rule()
    def disable(self) -> None:
        if self.began:
            self.run(self.whole.steer("disable"))

    @rule(skips=st.booleans())
    def enable(self, skips: bool) -> None:
        if self.began:
            self.run(self.whole.steer("enable", skip_schedule=skips))

    @rule(slots=st.integers(1, 3))
    def skip(self, slots: int) -> None:
        if self.began:
            self.run(self.whole.skip(slots))

    @rule(minutes=st.integers(-60, 60))
    def start_by_hand(self, minutes: int) -> None:
        if self.began:
            self.run(self.whole.start_by_hand(minutes))

    @rule()
    def kill_an_attempt(self) -> None:
        if self.began:
            self.run(self.whole.kill_attempt())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills an attempt whose owner is dead waits for nothing."""
    for module in (attempts, kill):
        monkeypatch.setattr(module, "WAITS_SECONDS", 0.1)


def test_whatever_happens_no_slot_is_lost_or_fired_twice(small_world):
    chosen = settings(PLAIN, max_examples=5, stateful_step_count=15, derandomize=True)
    run_state_machine_as_test(small_world(Machine, until=math.inf), settings=chosen)


@pytest.mark.slow
def test_whatever_happens_no_slot_is_lost_or_fired_twice_many_times(small_world):
    chosen = settings(PLAIN, max_examples=1_000, stateful_step_count=30)
    run_state_machine_as_test(small_world(Machine, until=time.monotonic() + 30), settings=chosen)
