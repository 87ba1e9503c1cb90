"""A model and the real engine, side by side: people, targets, clocks, kills and cuts in any order that chance finds.

The steps are hypothesis's, so that one that fails is told as a program that can be run again; `whole.py` has the model.
"""

import math
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from tests.engine.machines import *  # noqa: F403 - fixtures
from tests.engine.machines import PLAIN, MachineOfTwo
from tests.engine.whole import MOODS, Known, Whole
from tests.engine.whole_limits import LIMITS
from tests.support.wire import Wire

from backfilld.store.connection.pool import Pool

MOST_BACKFILLS = 4
any_of_them = st.integers(0, MOST_BACKFILLS - 1)


class Machine(MachineOfTwo):
    """Of backfills over entities."""

    whole: Whole

    async def make(self, pool: Pool, wires: list[Wire], seed: int) -> None:
        self.whole = Whole(pool, wires)
        self.whole.chance.seed(seed)
        await self.whole.launch()
        await self.whole.create(max_in_flight=3)

    def one(self, number: int) -> Known:
        known = list(self.whole.known.values())
        return known[number % len(known)]

    @rule(
        max_in_flight=st.integers(1, 4),
        max_attempts=st.integers(1, 3),
        sample=st.sampled_from([None, None, 3]),
        limit=st.sampled_from(sorted(LIMITS)),
    )
    def create(self, max_in_flight: int, max_attempts: int, sample: int | None, limit: str) -> None:
        if self.began and len(self.whole.known) < MOST_BACKFILLS:
            wish = self.whole.create(
                max_in_flight=max_in_flight, max_attempts=max_attempts, sample_size=sample, **LIMITS[limit]
            )
            self.run(wish)

    @rule(number=any_of_them, hours=st.sampled_from([None, None, 0.25, 5.0]))
    def pause(self, number: int, hours: float | None) -> None:
        if self.began:
            self.run(self.whole.pause(self.one(number), hours))

    @rule(number=any_of_them)
    def resume(self, number: int) -> None:
        if self.began:
            self.run(self.whole.resume(self.one(number)))

    @rule(number=any_of_them, in_flight=st.sampled_from(["drain", "cancel"]))
    def cancel(self, number: int, in_flight: str) -> None:
        if self.began:
            self.run(self.whole.cancel(self.one(number), in_flight))

    @rule(number=any_of_them, most=st.integers(1, 4), attempts=st.integers(1, 3), always=st.booleans())
    def edit(self, number: int, most: int, attempts: int, always: bool) -> None:
        if self.began:
            self.run(self.whole.edit(self.one(number), most, attempts, always))

    @rule(number=any_of_them, hours=st.sampled_from([None, 0.5, 9.0]))
    def override(self, number: int, hours: float | None) -> None:
        if self.began:
            one = self.one(number)
            self.run(self.whole.end_override(one) if hours is None else self.whole.override(one, hours))

    @rule(number=any_of_them)
    def rerun_what_failed(self, number: int) -> None:
        if self.began and len(self.whole.known) < MOST_BACKFILLS:
            self.run(self.whole.rerun(self.one(number)))

    @rule(number=any_of_them)
    def delete(self, number: int) -> None:
        if self.began:
            self.run(self.whole.delete(self.one(number)))

    @rule(hours=st.sampled_from([-9.0, -1.0, -0.5, 0.5, 1.0, 9.0, 24.0]))
    def step_the_clock(self, hours: float) -> None:
        if self.began:
            self.whole.step(hours)

    @rule(mood=st.sampled_from(sorted(MOODS)))
    def change_the_mood_of_the_target(self, mood: str) -> None:
        if self.began:
            self.whole.mood = mood

    @rule()
    def kill_both_and_start_them_again(self) -> None:
        if self.began:
            self.run(self.whole.kill())
            self.run(self.whole.launch())


def test_whatever_happens_the_engine_does_as_the_model_says(small_world):
    chosen = settings(PLAIN, max_examples=8, stateful_step_count=15, derandomize=True)
    run_state_machine_as_test(small_world(Machine, until=math.inf), settings=chosen)


@pytest.mark.slow
def test_whatever_happens_the_engine_does_as_the_model_says_many_times(small_world):
    chosen = settings(PLAIN, max_examples=1_000, stateful_step_count=30)
    run_state_machine_as_test(small_world(Machine, until=time.monotonic() + 60), settings=chosen)
