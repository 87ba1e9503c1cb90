"""What the stop order means for this process: one switch that every gate looks at.

An order may arrive in three ways: with a lease that is taken, with the renewal of one, or because somebody
looked it up. Whichever comes first puts it in force for all gates at once; an older one never undoes a newer.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.stopping import NEVER_STOPPED, StopOrder


class Starter(Protocol):
    """Whoever starts items and looks at the switch before each start."""

    changed: asyncio.Event

    async def settled(self) -> None:
        """Return once no start that has passed is still on its way out."""


class StopSwitch:
    """Shared by everything in a process that starts items."""

    def __init__(self) -> None:
        self._starters: set[Starter] = set()
        self.order: StopOrder = NEVER_STOPPED
        self.news = asyncio.Event()  # set by every new order, until somebody has seen to it that it is obeyed
        self.obeyed = 0  # the newest version since which nothing that it forbids was on its way out

    @property
    def reason(self) -> Reason | None:
        """Why nothing may start anywhere; None if something may."""
        return self.order.reason

    def join(self, starter: Starter) -> Callable[[], None]:
        """Wake `starter` at every change, and wait for it; what is returned ends that."""
        self._starters.add(starter)
        return lambda: self._starters.discard(starter)

    def put(self, order: StopOrder) -> None:
        """Put `order` in force, now, unless a newer one is."""
        if order.version <= self.order.version:
            return
        self.order = order
        self.news.set()
        for starter in self._starters:
            starter.changed.set()

    async def obey(self, order: StopOrder) -> None:
        """As `put`, and return once no start that it forbids is still on its way out."""
        self.put(order)
        for starter in list(self._starters):
            await starter.settled()
        self.obeyed = max(self.obeyed, order.version)
