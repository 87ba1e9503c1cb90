"""How much the whole process may have in flight, whatever the backfills allow together.

Whoever comes while a place is free gets it. When all are taken, one that comes free goes to whoever has least: the
backfill that waits and holds the fewest places, of those whose target has the fewest. So slow ones cannot keep a quick
one out, nor one slow target all the others; and what somebody does not use is lent. Nobody is cut off for it: shares
even out as items end. A reserve stays free for live attempts, those that no backfill carries; they take places
of backfills as well, if nobody waits for these.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from weakref import WeakValueDictionary


class Capacity:
    """`total` places for items of backfills, and `reserve` more for live attempts only."""

    def __init__(self, total: int, reserve: int = 0) -> None:
        self.total = total
        self._reserved = reserve
        self.live = 0
        self.waiting = 0
        self.in_use = 0
        self._free = total  # nobody waits while there is one
        self.shares_waiting: dict[Share, None] = {}  # in the order in which they began to
        self._targets: WeakValueDictionary[str, _Target] = WeakValueDictionary()

    def share(self, target: str) -> "Share":
        """For one backfill, which sends its items to `target`."""
        found = self._targets.get(target) or _Target()
        self._targets[target] = found
        return Share(self, found)

    async def take(self, share: "Share") -> None:
        """Take a place, when it is the turn of this share; `give_back` it."""
        if self._free:
            self._free -= 1
            self._grant(share)
            return
        granted = asyncio.get_running_loop().create_future()
        share.waiting.append(granted)
        self.shares_waiting[share] = None
        self.waiting += 1
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(share)
            else:
                self._forget(share, granted)
            raise

    def give_back(self, share: "Share") -> None:
        """What `take` took."""
        self.in_use -= 1
        share.held -= 1
        share.target.held -= 1
        self._pass_on()

    def take_live(self) -> Callable[[], None] | None:
        """A place for a live attempt, to be given back by calling what is returned; None if there is none now."""
        if self._reserved:
            self._reserved -= 1
            self.live += 1
            return self._give_back_reserved
        if not self._free:
            return None
        self._free -= 1
        self.live += 1
        return self._give_back_shared

    def _give_back_reserved(self) -> None:
        self._reserved += 1
        self.live -= 1

    def _give_back_shared(self) -> None:
        self.live -= 1
        self._pass_on()

    @property
    def is_full(self) -> bool:
        return not self._free

    def _grant(self, share: "Share") -> None:
        self.in_use += 1
        share.held += 1
        share.target.held += 1

    def _pass_on(self) -> None:
        """A place has come free."""
        while self.shares_waiting:
            share = min(self.shares_waiting, key=_how_much)
            granted = share.waiting[0]
            self._forget(share, granted)
            if not granted.done():  # else it was cancelled, and nobody has been told yet
                self._grant(share)
                granted.set_result(None)
                return
        self._free += 1

    def _forget(self, share: "Share", granted: "asyncio.Future[None]") -> None:
        if granted not in share.waiting:
            return
        share.waiting.remove(granted)
        self.waiting -= 1
        if not share.waiting:
            del self.shares_waiting[share]


class _Target:
    """How many places all backfills to one target hold."""

    held = 0


class Share:
    """The places of one backfill. `async with` it: one more for the length of the block, however many have one."""

    __slots__ = ("capacity", "held", "target", "waiting")

    def __init__(self, capacity: Capacity, target: _Target) -> None:
        self.capacity = capacity
        self.target = target
        self.held = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        await self.capacity.take(self)

    async def __aexit__(self, *_: object) -> None:
        self.capacity.give_back(self)

    @property
    def is_owed(self) -> bool:
        """True while somebody waits who has less: then a place is given back after each item."""
        return any(
            share.held < self.held if share.target is self.target else share.target.held < self.target.held
            for share in self.capacity.shares_waiting
        )


def _how_much(share: Share) -> tuple[int, int]:
    return share.target.held, share.held
