"""Carries the messages of one endpoint, a few at once, until each has arrived or nobody tries any more."""

import asyncio
import hashlib
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.notifications.ladder import GONE, Next, Tried, after
from backfilld.engine.notifications.endpoint import Endpoint, Sender
from backfilld.engine.service import Part, Patience
from backfilld.events import DeliveryFailed
from backfilld.executors.secrets import SecretMissing
from backfilld.store.steering.deliveries import Delivery, DeliveryStore

AT_ONCE = 4
HELD_FOR = timedelta(seconds=60)  # longer than a try; after the death of whoever tries, it is due again then
LOOKS_EVERY = timedelta(seconds=30)  # for what other daemons wrote
SWITCHED_OFF = f"the endpoint answered {GONE}: it wants nothing more"


class Courier:
    """`serve` carries until cancelled; `tick` carries what is due."""

    def __init__(
        self,
        endpoint: Endpoint,
        store: DeliveryStore,
        clock: Clock,
        bus: Bus,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self.sender = Sender(endpoint, clock)
        self._store = store
        self._clock = clock
        self._bus = bus
        self._draw = draw
        self._news = asyncio.Event()
        self._patience = Patience.of(Part.NOTIFICATIONS, clock, bus)

    @property
    def address(self) -> str:
        """Tells one address from another without repeating it; empty: nobody knows it now."""
        try:
            return hashlib.sha256(self.endpoint.url().encode()).hexdigest()
        except SecretMissing:
            return ""

    def nudge(self) -> None:
        """There may be something to carry."""
        self._news.set()

    async def close(self) -> None:
        await self.sender.close()

    async def serve(self) -> None:
        """Carry until cancelled; patient with a database that is away."""
        while True:
            self._news.clear()
            until = await self._patience.insist(self.tick)
            await self._clock.wait(self._news, until=until)

    async def tick(self) -> datetime:
        """Carry what is due; when to look again."""
        name = self.endpoint.name
        while due := await self._store.take_due(name, self._clock.now(), held=HELD_FOR, limit=AT_ONCE):
            await asyncio.gather(*(self._carry(one) for one in due))
        later = self._clock.now() + LOOKS_EVERY
        return min(await self._store.next_due(name) or later, later)

    async def _carry(self, delivery: Delivery) -> None:
        reached(Point.DELIVERY_TAKEN)
        tried = await self.sender.send(f"msg_{delivery.id.hex}", delivery.message, again=delivery.was_unsure)
        reached(Point.DELIVERY_ANSWERED)
        then = after(
            tried,
            tries=delivery.attempts + 1,
            is_chat=self.endpoint.is_chat,
            was_unsure=delivery.was_unsure,
            draw=self._draw,
        )
        await self._note(delivery, tried, then)
        reached(Point.DELIVERY_NOTED)
        if then.kind == "gone":
            now = self._clock.now()
            await self._store.switch_off(self.endpoint.name, at=now, why=SWITCHED_OFF, address=self.address)
        if then.kind != "delivered":
            self._bus.tell(DeliveryFailed(self.endpoint.name, delivery.event, tried.error or "", then.kind))

    async def _note(self, delivery: Delivery, tried: Tried, then: Next) -> None:
        now = self._clock.now()
        await self._store.note_try(
            delivery.id,
            status=tried.status,
            error=SWITCHED_OFF if then.kind == "gone" else tried.error,
            was_unsure=then.was_unsure,
            next_attempt_at=now + then.pause if then.kind == "again" else None,
            delivered_at=now if then.kind == "delivered" else None,
            dead_at=now if then.kind in ("dead", "gone") else None,
        )
