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
from tests.engine.whole_schedule_steering import EDITS, SteeredSchedule
from tests.support.wire import Wire

from backfilld.api.public.backfills.bodies import CHANGEABLE
from backfilld.operations.sessions import attempts, kill
from backfilld.store.connection.pool import Pool


class Machine(MachineOfTwo):
    """Of one schedule."""

    whole: SteeredSchedule

    async def make(self, pool: Pool, wires: list[Wire], seed: int) -> None:
        self.whole = SteeredSchedule(pool, wires)
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

    @rule(minutes=st.integers(5, 40), max_in_flight=st.integers(1, 3), stops=st.booleans())
    def backfill_in_windows(self, minutes: int, max_in_flight: int, stops: bool) -> None:
        if self.began:
            self.run(self.whole.backfill_in_windows(minutes, max_in_flight, stops))

    @rule(name=st.sampled_from(sorted(EDITS)))
    def edit(self, name: str) -> None:
        if self.began:
            self.run(self.whole.edit(name))

    @rule(hours=st.sampled_from([0.05, 0.5, 5.0]))
    def pause_until(self, hours: float) -> None:
        if self.began:
            self.run(self.whole.pause_until(hours))

    @rule(hours=st.sampled_from([None, 0.1, 9.0]))
    def override(self, hours: float | None) -> None:
        if self.began:
            self.run(self.whole.override(hours))

    @rule()
    def cancel_what_is_in_flight(self) -> None:
        if self.began:
            self.run(self.whole.cut())

    @rule(status=st.sampled_from(["failed", "failed", "succeeded", "cancelled"]))
    def rerun(self, status: str) -> None:
        if self.began:
            self.run(self.whole.rerun(status))

    @rule(what=st.sampled_from(["try_now", "explain", "clone", "delete"]))
    def ask_of_a_backfill(self, what: str) -> None:
        if self.began:
            self.run(getattr(self.whole, what)())

    @rule()
    def stop_all(self) -> None:
        if self.began:
            self.run(self.whole.stop_all())

    @rule()
    def start_all(self) -> None:
        if self.began:
            self.run(self.whole.start_all())

    @rule(apart=st.sampled_from([0.0, 0.01, 0.03]))
    def budget_of_the_target(self, apart: float) -> None:
        if self.began:
            self.whole.budget(apart)


def test_the_machine_changes_each_field_of_a_patch_also_of_backfills_over_sessions():
    assert set(CHANGEABLE) == set(EDITS)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills an attempt whose owner is dead waits for nothing."""
    for module in (attempts, kill):
        monkeypatch.setattr(module, "WAITS_SECONDS", 0.1)


def test_whatever_happens_no_slot_is_lost_or_fired_twice(small_world):
    chosen = settings(PLAIN, max_examples=4, stateful_step_count=15, derandomize=True)
    run_state_machine_as_test(small_world(Machine, until=math.inf), settings=chosen)


@pytest.mark.slow
def test_whatever_happens_no_slot_is_lost_or_fired_twice_many_times(small_world):
    chosen = settings(PLAIN, max_examples=1_000, stateful_step_count=30)
    run_state_machine_as_test(small_world(Machine, until=time.monotonic() + 30), settings=chosen)
