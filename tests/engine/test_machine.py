"""A model and the real engine, side by side: people, targets, clocks, kills and cuts in any order that chance finds.

The steps are hypothesis's, so that one that fails is told as a program that can be run again; `whole.py` has the model.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.engine.whole import MOODS, Known, Whole
from tests.support.database import TEMPLATE, Databases
from tests.support.small_daemon import remember_who_makes_tasks, shorten_leases
from tests.support.wire import Wire, wire_to

from backfilld.store.pool import Pool, open_pool

MOST_BACKFILLS = 4
LONGER_THAN_A_LEASE_SECONDS = 0.5  # as shortened here
PLAIN = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],  # real time passes here: what failed once is told, and not made smaller
    suppress_health_check=list(HealthCheck),
)
_numbers = count(1)
which = st.integers(0, MOST_BACKFILLS - 1)


async def small_world(databases: Databases, stack: AsyncExitStack) -> tuple[Pool, list[Wire]]:
    """A database for one example, and two ways to it, for two daemons."""
    name = f"machine_{next(_numbers)}"
    admin = await asyncpg.connect(databases.dsn_of("postgres"))
    stack.push_async_callback(admin.close)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    stack.push_async_callback(admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
    # what the server has to say is read by another loop, which stands still; a full pipe would hold backends up
    await admin.execute(f"ALTER DATABASE {name} SET log_min_messages = 'panic'")
    dsn = databases.dsn_of(name)
    wires = [await stack.enter_async_context(wire_to(dsn)) for _ in range(2)]
    pool = await open_pool(dsn, size=3)
    stack.push_async_callback(pool.close)
    return pool, wires


def machine_on(databases: Databases, loop: asyncio.AbstractEventLoop, deadline: float) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        """Each rule lets the engine run for as long as it takes itself; in between it stands still."""

        whole: Whole
        began = False

        @initialize(seed=st.integers(0, 1 << 30))
        def start(self, seed: int) -> None:
            self.stack = AsyncExitStack()
            if time.monotonic() < deadline:  # then nothing more, soon
                self.began = True
                self.run(self._start(seed))

        async def _start(self, seed: int) -> None:
            self.whole = Whole(*await small_world(databases, self.stack))
            self.whole.chance.seed(seed)
            await self.whole.launch()
            await self.whole.create(max_in_flight=3)

        def run(self, what: Any) -> Any:
            return loop.run_until_complete(what)

        def one(self, number: int) -> Known:
            known = list(self.whole.known.values())
            return known[number % len(known)]

        @rule(max_in_flight=st.integers(1, 4), max_attempts=st.integers(1, 3), sample=st.sampled_from([None, None, 3]))
        def create(self, max_in_flight: int, max_attempts: int, sample: int | None) -> None:
            if self.began and len(self.whole.known) < MOST_BACKFILLS:
                wish = self.whole.create(max_in_flight=max_in_flight, max_attempts=max_attempts, sample_size=sample)
                self.run(wish)

        @rule(number=which)
        def pause(self, number: int) -> None:
            if self.began:
                self.run(self.whole.pause(self.one(number)))

        @rule(number=which)
        def resume(self, number: int) -> None:
            if self.began:
                self.run(self.whole.resume(self.one(number)))

        @rule(number=which, in_flight=st.sampled_from(["drain", "cancel"]))
        def cancel(self, number: int, in_flight: str) -> None:
            if self.began:
                self.run(self.whole.cancel(self.one(number), in_flight))

        @rule(number=which)
        def rerun_what_failed(self, number: int) -> None:
            if self.began and len(self.whole.known) < MOST_BACKFILLS:
                self.run(self.whole.rerun(self.one(number)))

        @rule(number=which)
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

        @rule(which=st.integers(0, 1))
        def kill_one(self, which: int) -> None:
            """The other takes over what it had, unless that is dead, too."""
            if self.began:
                self.run(self.whole.daemons[which].kill())
                self.run(self.whole.launch() if not self.whole.alive else asyncio.sleep(0))

        @rule()
        def start_who_is_dead(self) -> None:
            if self.began:
                self.run(self.whole.launch())

        @rule(
            which=st.integers(0, 1),
            seconds=st.sampled_from([0.0, 0.05, 0.1, LONGER_THAN_A_LEASE_SECONDS]),
        )
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


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.AbstractEventLoop]:
    """One of its own: hypothesis calls plain functions, between which nothing may happen."""
    shorten_leases(monkeypatch)
    loop = asyncio.new_event_loop()
    remember_who_makes_tasks(loop)
    yield loop
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()
    gc.collect()  # here and not later, where nobody knows what it was


def test_whatever_happens_the_engine_does_as_the_model_says(databases, loop):
    chosen = settings(PLAIN, max_examples=8, stateful_step_count=15, derandomize=True)
    run_state_machine_as_test(machine_on(databases, loop, time.monotonic() + 60), settings=chosen)


@pytest.mark.slow
def test_whatever_happens_the_engine_does_as_the_model_says_many_times(databases, loop):
    chosen = settings(PLAIN, max_examples=1_000, stateful_step_count=30)
    run_state_machine_as_test(machine_on(databases, loop, time.monotonic() + 60), settings=chosen)
