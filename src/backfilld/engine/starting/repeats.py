"""Who of those that a dead process may have started is in flight here, and who of them stands alone.

A process that dies says nothing. So whoever might have been what it died of is started with nothing else of its kind
in flight, and its name is committed before: if the process dies again, that one is charged. One of these objects serves
the whole process, over all backfills and over the attempts that no backfill carries. What was never started before runs
beside: it is not what the last process died of.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

SECONDS_APART = 0.1  # in the first round, from when one was sent


class Turn(Protocol):
    """The start of one that may have been started before."""

    @property
    def owner(self) -> object:
        """Whose names replace each other: a backfill, or an attempt that no backfill carries."""

    async def name(self) -> None:
        """Commit that it stands alone."""

    async def unname(self) -> None:
        """Commit that it does not, if it is still ours to say."""


class Repeats:
    """Of one process."""

    def __init__(self) -> None:
        self._in_flight: set[Turn] = set()
        self._to_its_end: Turn | None = None  # runs with nothing else of its kind until it has ended
        self._named: Turn | None = None
        self._naming = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._left: dict[object, int] = {}

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called whenever one more may begin; what is returned ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def expect(self, whose: object, left: int) -> None:
        """So many of `whose` are still to be repeated."""
        if left > 0:
            self._left[whose] = left
        else:
            self._left.pop(whose, None)

    @property
    def left(self) -> int:
        """How many are still to be repeated by this process."""
        return sum(self._left.values())

    def may_begin(self, *, to_its_end: bool) -> bool:
        """True if one more may begin now; `to_its_end`: it lets no other begin before it has ended."""
        return not self._in_flight if to_its_end else self._to_its_end is None

    def begin(self, turn: Turn, *, to_its_end: bool) -> bool:
        """Let it begin, if it may. Before it starts, `settle_names` must have been awaited."""
        if not self.may_begin(to_its_end=to_its_end):
            return False
        self._in_flight.add(turn)
        if to_its_end:
            self._to_its_end = turn
        return True

    async def settle_names(self, turn: Turn) -> None:
        """Commit who stands alone once `turn` starts: it, or nobody."""
        async with self._naming:
            is_alone = self._in_flight == {turn}
            if self._named is not None and not (is_alone and self._named.owner == turn.owner):
                await self._forget_name()
            if is_alone:
                self._named = turn  # before it is committed: a commit of unknown result may have happened
                await turn.name()

    async def unname(self, owner: object) -> None:
        """Nobody of `owner` stands alone any more: nothing came of it, or others of the same owner start beside it."""
        async with self._naming:
            if self._named is not None and self._named.owner == owner:
                await self._forget_name()

    def end(self, turn: Turn) -> None:
        """It is in flight no more. Its name stays until the next one begins: what became of it says that it is over."""
        self._in_flight.discard(turn)
        if self._to_its_end is turn:
            self._to_its_end = None
        self.tell()

    def tell(self) -> None:
        """One more may begin, perhaps."""
        for listener in list(self._listeners):
            listener()

    async def _forget_name(self) -> None:
        if self._named is not None:
            await self._named.unname()
            self._named = None
