"""A daemon that is told where to die, and what is asked of it when it lives again."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from tests.crash.accounts import (
    assert_audit_is_whole,
    assert_exact,
    assert_keys_never_change,
    assert_never_above,
    repeats,
)
from tests.support.daemon import DaemonProcess
from tests.support.logging_target import LoggingTarget, Reply
from tests.support.waiting import eventually

from backfilld.client import ServerUnreachable
from backfilld.crash_points import VARIABLE, Point

MAX_IN_FLIGHT = 5
MAX_UNRECORDED = 10
QUIET_SECONDS = 0.5  # enough for a daemon that is ready to start something, if it is going to
ENTITIES = [f"T{number:04}" for number in range(300)]


def points(*quick: Point, slow: tuple[Point, ...] = ()) -> pytest.MarkDecorator:
    """One test per point; those in `slow` in the slow ring."""
    given = [*quick, *(pytest.param(point, marks=pytest.mark.slow) for point in slow)]
    return pytest.mark.parametrize("point", given, ids=str)


@dataclass
class Mortal:
    """One daemon, the target that it works on, and the point at which it is going to die."""

    daemon: DaemonProcess
    target: LoggingTarget
    dsn: str
    point: Point
    kills: int = 0

    def __post_init__(self) -> None:
        self.key = str(uuid4())
        self.target.script = lambda _: Reply(seconds=0.02)
        self.daemon.configure(replace(self.daemon.plan, engine={"max_unrecorded": MAX_UNRECORDED}))

    # Its lives

    async def start(self, point: Point | None = None, *, passes: int = 1) -> None:
        """Its next life: one that ends at the `point`; None: one that does not end there."""
        self.daemon.environment = {} if point is None else {VARIABLE: f"{point}:{passes}"}
        await self.daemon.launch()
        with suppress(AssertionError):  # it may be over before anybody has seen it
            await self.daemon.serving()
            await self.daemon.becomes_ready()
        assert self.daemon.is_running or point is not None, self.daemon.tail()

    async def dies(self) -> None:
        """Return when it has died, which it did by its own hand."""
        assert -signal.SIGKILL == await self.daemon.ended(), self.daemon.tail()

        self.target.next_generation()
        self.kills += 1

    async def kill(self) -> None:
        """Die now, wherever it is."""
        self.daemon.signal(signal.SIGKILL)
        await self.dies()

    async def lives_again(self) -> None:
        """It dies, and its next life goes on for as long as it is needed."""
        await self.dies()
        await self.start()

    # What is asked of it

    async def create(self, **settings: Any) -> str:
        """The id of the backfill that this test is about; asked for again, it is the same one."""
        body = {"max_in_flight": MAX_IN_FLIGHT} | settings
        return await self.daemon.create(idempotency_key=self.key, **body)

    async def is_cut_off(self, request: Awaitable[Any]) -> bool:
        """True if the request gets no answer."""
        try:
            await request
        except ServerUnreachable:
            return True
        return False

    async def under_way(self, **settings: Any) -> str:
        """The id of a backfill over all entities that has started some."""
        await self.daemon.upload(ENTITIES)
        id = await self.create(**settings)
        await eventually(lambda: len(self.target.calls) > 20)
        return id

    async def status(self, id: str) -> str:
        return str((await self.daemon.backfill(id))["status"])

    async def starts_nothing(self) -> bool:
        """True if nothing arrives for a while."""
        self.target.look_now()
        before = len(self.target.calls)
        await asyncio.sleep(QUIET_SECONDS)
        self.target.look_now()
        return before == len(self.target.calls)

    async def count(self, query: str, *values: Any) -> int:
        """A number out of the database."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return int(await connection.fetchval(query, *values))
        finally:
            await connection.close()

    async def interrupted_tries(self) -> int:
        return await self.count("SELECT count(*) FROM tries WHERE error_class = 'interrupted'")

    # What must be true in the end

    async def assert_nothing_lost(self, id: str, *, status: str, planned: int = len(ENTITIES)) -> Counter[str]:
        """It ends in `status`, and every account of it is exact; how often each action was written down."""
        ended = await self.daemon.ends(id)

        assert status == ended["status"]
        await assert_exact(self.daemon, self.dsn, id, planned=planned)
        assert [id] == [one["id"] async for one in self.daemon.client.every("backfills", "/backfills")]
        if self.target.calls:
            assert_keys_never_change(self.target)
        assert_never_above(self.target, MAX_IN_FLIGHT)
        tried_again = sum(call.status != 200 for call in self.target.calls if call.status is not None)
        assert repeats(self.target) <= self.kills * (MAX_UNRECORDED + MAX_IN_FLIGHT) + tried_again
        return await assert_audit_is_whole(self.dsn, id)
