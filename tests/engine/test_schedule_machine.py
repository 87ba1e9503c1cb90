"""A schedule and its backfills against chance: no slot is lost or fired twice, whatever people, clocks and kills do.

`whole_schedules.py` has the rules; as in `test_machine.py`, a step that fails is told as a program.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.engine.test_machine import LONGER_THAN_A_LEASE_SECONDS, PLAIN, loop, small_world
from tests.engine.whole_schedules import WholeSchedule
from tests.support.database import Databases

from backfilld.operations import attempts, killing_in_backfills

__all__ = ["loop"]  # a fixture


def machine_on(databases: Databases, loop: asyncio.AbstractEventLoop, deadline: float) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        """Each rule lets the daemons run for as long as it takes itself; in between they stand still."""

        whole: WholeSchedule
        began = False

        @initialize(seed=st.integers(0, 1 << 30))
        def start(self, seed: int) -> None:
            self.stack = AsyncExitStack()
            if time.monotonic() < deadline:  # then nothing more, soon
                self.began = True
                self.run(self._start(seed))

        async def _start(self, seed: int) -> None:
            self.whole = WholeSchedule(*await small_world(databases, self.stack))
            self.whole.chance.seed(seed)
            await self.whole.begin()

        def run(self, what: Any) -> None:
            if self.began:
                loop.run_until_complete(what)
            else:
                what.close()

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

        @rule(which=st.integers(0, 1))
        def kill_one(self, which: int) -> None:
            if self.began:
                self.run(self.whole.daemons[which].kill())
                self.run(self.whole.launch() if not self.whole.alive else asyncio.sleep(0))

        @rule()
        def start_who_is_dead(self) -> None:
            if self.began:
                self.run(self.whole.launch())

        @rule(which=st.integers(0, 1), seconds=st.sampled_from([0.0, 0.02, 0.1, LONGER_THAN_A_LEASE_SECONDS]))
        def take_the_database_away_from_one(self, which: int, seconds: float) -> None:
            if self.began:
                self.run(self.whole.daemons[which].cut(seconds))

        @rule()
        def break_every_connection(self) -> None:
            if self.began:
                self.run(self.whole.break_connections())

        @rule(seconds=st.sampled_from([0.0, 0.005, 0.03, 0.1]))
        def wait(self, seconds: float) -> None:
            if self.began:
                self.run(asyncio.sleep(seconds))

        @invariant()
        def the_account_is_exact(self) -> None:
            if self.began:
                self.run(self.whole.check())

        def teardown(self) -> None:
            if self.began:
                try:
                    self.run(self.whole.finish())
                finally:
                    self.run(self.whole.kill())
                    self.run(self.stack.aclose())

    return Machine


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills an attempt whose owner is dead waits for nothing."""
    for module in (attempts, killing_in_backfills):
        monkeypatch.setattr(module, "WAITS_SECONDS", 0.1)


def test_whatever_happens_no_slot_is_lost_or_fired_twice(databases, loop):
    chosen = settings(PLAIN, max_examples=5, stateful_step_count=15, derandomize=True)
    run_state_machine_as_test(machine_on(databases, loop, time.monotonic() + 60), settings=chosen)


@pytest.mark.slow
def test_whatever_happens_no_slot_is_lost_or_fired_twice_many_times(databases, loop):
    chosen = settings(PLAIN, max_examples=1_000, stateful_step_count=30)
    run_state_machine_as_test(machine_on(databases, loop, time.monotonic() + 30), settings=chosen)
