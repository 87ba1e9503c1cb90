"""Carries the stop order from the database to the switch, and the word that it is obeyed back.

Daemons hear of an order by NOTIFY, else by the next renewal of a lease; one that holds no lease cannot start
anything, and learns of the order with the next lease that it takes. It looks now and then all the same,
so that what it tells people is true.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.errors import Unavailable
from backfilld.domain.stopping import StopOrder
from backfilld.engine.service import Part, Patience, Service
from backfilld.engine.starting.leases import Renewer
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.store.admin.stopping import StopStore

CONFIRM_SECONDS = 10.0
ASKS_EVERY_SECONDS = 0.05
LOOKS_EVERY = timedelta(seconds=5)


class Stopping:
    """One per process."""

    part = Part.STOP_ORDER

    def __init__(
        self, store: StopStore, switch: StopSwitch, renewers: Sequence[Renewer[Any]], clock: Clock, bus: Bus
    ) -> None:
        """The version that is obeyed is written beside every lease that one of `renewers` keeps."""
        self._store = store
        self._switch = switch
        self._renewers = renewers
        self._clock = clock
        self._service = Service(self.tick, clock, Patience.of(self.part, clock, bus), switch.news)

    def hear(self) -> None:
        """The order may have changed: look now."""
        self._service.nudge()

    @property
    def order(self) -> StopOrder:
        """What is in force here."""
        return self._switch.order

    @property
    def obstacle(self) -> Exception | None:
        """What the last look failed of, while it is made again."""
        return self._service.obstacle

    async def serve(self) -> None:
        """Look whenever there are news, until cancelled; patient with a database that is away."""
        await self._service.serve()

    async def tick(self) -> datetime:
        """Look; when to look again, news or not."""
        await self.look()
        return self._clock.now() + LOOKS_EVERY

    async def look(self) -> None:
        """Put the order as it is now in force here, and tell whoever waits for that."""
        order = await self._store.get()
        known = self._switch.obeyed
        await self._switch.obey(order)
        if known < order.version:
            for renewer in self._renewers:
                await renewer.obey(order.version)

    async def confirm(self, version: int) -> None:
        """Return once nothing starts anywhere that `version` forbids; Unavailable `not_confirmed` after 10 s."""
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self.look()
                while await self._store.count_not_obeying(version):
                    await self._clock.sleep(ASKS_EVERY_SECONDS)
        except TimeoutError:
            raise Unavailable(
                "it is written down, but not every daemon has confirmed it yet; ask again",
                code="not_confirmed",
                retry_after_seconds=1,
            ) from None
