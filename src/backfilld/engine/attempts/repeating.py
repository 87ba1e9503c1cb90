"""The turn of one attempt that was under way when a process died: as of items, see `engine.starting.repeats`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.engine.starting.leases import LeaseGone
from backfilld.engine.starting.repeats import SECONDS_APART, Repeats

Write = Callable[
    [bool], Awaitable[bool]
]  # commits that it begins, and whether it stands alone; False: it may not begin


class AttemptTurn:
    """`begin` commits the beginning of the try, for one that is not repeated as well."""

    def __init__(self, id: int, repeat_round: int, repeats: Repeats, clock: Clock) -> None:
        self.owner = ("attempt", id)
        self.stood_alone = False
        self.holds_next = repeat_round > 0  # the next one of its kind may not begin yet
        self._round = repeat_round
        self._repeats = repeats
        self._clock = clock
        self._begun: bool | None = None
        self._waiting: asyncio.Task[None] | None = None

    def may_begin(self) -> bool:
        """Take the turn; False if it is somebody else's."""
        return not self._round or self._repeats.begin(self, to_its_end=self._round > 1)

    async def begin(self, write: Write, unname: Callable[[], Awaitable[None]]) -> bool:
        """Commit the beginning, and who stands alone then. False: it may not begin any more."""
        self._write, self._unname = write, unname
        if self._round:
            self._repeats.expect(self.owner, 1)
            await self._repeats.settle_names(self)
        if self._begun is None:
            self._begun = await write(False)
        return self._begun

    async def name(self) -> None:
        reached(Point.ALONE_BEFORE_START)
        self.stood_alone = True
        self._begun = await self._write(True)
        reached(Point.ALONE_COMMITTED)

    async def unname(self) -> None:
        with contextlib.suppress(LeaseGone):
            await self._unname()
        self.stood_alone = False

    def sent(self, _: object) -> None:
        """In the first round the next one begins a moment later."""
        if self._round == 1 and self._waiting is None:
            self._waiting = asyncio.create_task(self._let_the_next_begin())

    async def _let_the_next_begin(self) -> None:
        await self._clock.sleep(SECONDS_APART)
        self.holds_next = False
        self._repeats.tell()

    def end(self) -> None:
        """It is under way no more."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._round:
            self.holds_next = False
            self._repeats.expect(self.owner, 0)
            self._repeats.end(self)
