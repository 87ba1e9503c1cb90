"""What both state machines have in common: a small world with two daemons, and all that may happen to these."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.support.database import TEMPLATE, Databases
from tests.support.small_daemon import remember_who_makes_tasks, shorten_leases
from tests.support.wire import Wire, wire_to

from backfilld.store.connection.pool import Pool, open_pool

__all__ = ["small_world"]  # what tests need by name alone

LONGER_THAN_A_LEASE_SECONDS = 0.5  # as shortened here
PLAIN = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],  # real time passes here: what failed once is told, and not made smaller
    suppress_health_check=list(HealthCheck),
)
MakeMachine = Callable[..., type[RuleBasedStateMachine]]
_numbers = count(1)
which = st.integers(0, 1)


class MachineOfTwo(RuleBasedStateMachine):
    """Each rule lets the daemons run for as long as it takes itself; in between they stand still.

    `whole` is made by `make`; after the `deadline` an example does nothing any more.
    """

    databases: Databases
    loop: asyncio.AbstractEventLoop
    deadline: float
    whole: Any
    began = False

    async def make(self, pool: Pool, wires: list[Wire], seed: int) -> None:
        raise NotImplementedError

    @initialize(seed=st.integers(0, 1 << 30))
    def start(self, seed: int) -> None:
        self.stack = AsyncExitStack()
        if time.monotonic() < self.deadline:
            self.began = True
            self.run(self._start(seed))

    async def _start(self, seed: int) -> None:
        pool, wires = await _a_world(self.databases, self.stack)
        await self.make(pool, wires, seed)

    def run(self, what: Any) -> None:
        if self.began:
            self.loop.run_until_complete(what)
        else:
            what.close()

    @rule(which=which)
    def kill_one(self, which: int) -> None:
        if self.began:
            self.run(self.whole.kill_one(which))

    @rule()
    def start_who_is_dead(self) -> None:
        if self.began:
            self.run(self.whole.launch())

    @rule(which=which, seconds=st.sampled_from([0.0, 0.05, 0.1, LONGER_THAN_A_LEASE_SECONDS]))
    def take_the_database_away_from_one(self, which: int, seconds: float) -> None:
        if self.began:
            self.run(self.whole.cut_one(which, seconds))

    @rule()
    def break_every_connection(self) -> None:
        if self.began:
            self.run(self.whole.break_connections())

    @rule(seconds=st.sampled_from([0.0, 0.005, 0.03, 0.1]))
    def wait(self, seconds: float) -> None:
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


async def _a_world(databases: Databases, stack: AsyncExitStack) -> tuple[Pool, list[Wire]]:
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


@pytest.fixture
def small_world(monkeypatch: pytest.MonkeyPatch, databases: Databases) -> Iterator[MakeMachine]:
    """Gives a machine a loop of its own: hypothesis calls plain functions, between which nothing may happen."""
    shorten_leases(monkeypatch)
    loop = asyncio.new_event_loop()
    remember_who_makes_tasks(loop)

    def made(machine: type[MachineOfTwo], *, until: float) -> type[MachineOfTwo]:
        return type(machine.__name__, (machine,), {"databases": databases, "loop": loop, "deadline": until})

    yield made
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()
    gc.collect()  # here and not later, where nobody knows what it was
