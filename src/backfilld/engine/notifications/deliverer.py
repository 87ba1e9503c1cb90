"""Hands notices out to endpoints, and tries until they have arrived: apart from everything that does work.

Every endpoint has a task of its own, so that one that hangs delays no other, and none delays an item.
"""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.notifications.messages import Notice, message_of
from backfilld.engine.notifications.courier import Courier
from backfilld.engine.notifications.endpoint import Endpoint
from backfilld.engine.service import Part, Patience
from backfilld.events import BackfillCreated, BrakeMoved, Event, StatusChanged
from backfilld.store.steering.deliveries import DeliveryStore, ForEndpoint, Switch

LOOKS_EVERY = timedelta(seconds=5)
MINDS_OUTAGES_EVERY = timedelta(seconds=15)
CLEANS_EVERY = timedelta(hours=1)
KEPT_FOR = timedelta(days=30)
HELD_UP_AFTER = timedelta(minutes=5)
RECOVERED_AFTER = timedelta(minutes=1)  # what comes again sooner is the same outage
PASSED_OVER_AFTER = timedelta(hours=1)
PAGE = 100
HOLDING_UP = frozenset(
    {
        ReasonCode.TARGET_UNREACHABLE,
        ReasonCode.ENGINE_UNREACHABLE,
        ReasonCode.NO_WORKERS,
        ReasonCode.TARGET_REFUSES,
        ReasonCode.SOURCE_UNREACHABLE,
        ReasonCode.SOURCE_REFUSED,
    }
)


class Deliverer:
    """`serve` delivers until cancelled; `put` says who is to hear of what, now and after each reload."""

    part = Part.NOTIFICATIONS

    def __init__(self, store: DeliveryStore, clock: Clock, bus: Bus, *, public_url: str = "") -> None:
        self.store = store
        self._clock = clock
        self._bus = bus
        self._public_url = public_url
        self._couriers: dict[str, Courier] = {}
        self._retired: list[Courier] = []
        self._switches: dict[str, Switch] = {}
        self._news = asyncio.Event()
        self._patience = Patience.of(self.part, clock, bus)
        self._minds_outages_at: datetime | None = None
        self._cleans_at: datetime | None = None
        bus.listen(self._heard, BackfillCreated, BrakeMoved, StatusChanged)

    @property
    def obstacle(self) -> Exception | None:
        """Why notices can neither be read nor told."""
        return self._patience.obstacle

    def __iter__(self) -> Iterator[Courier]:
        return iter(tuple(self._couriers.values()))

    def find(self, name: str) -> Courier | None:
        """Of the endpoint of that name, as it is configured now."""
        return self._couriers.get(name)

    def switch(self, name: str) -> Switch | None:
        """Why the endpoint is off; None: it is on."""
        return self._switches.get(name)

    def put(self, endpoints: Iterable[Endpoint]) -> None:
        """Have these from now on; what waits for others waits until they are there again."""
        self._retired += self._couriers.values()
        self._couriers = {one.name: Courier(one, self.store, self._clock, self._bus) for one in endpoints}
        self._news.set()

    def _heard(self, event: Event) -> None:
        if not isinstance(event, StatusChanged) or not event.again:
            self._news.set()

    def nudge(self) -> None:
        """There may be something to tell."""
        self._news.set()

    async def serve(self) -> None:
        """Hand out and deliver until cancelled."""
        carrying: dict[Courier, asyncio.Task[None]] = {}
        try:
            while True:
                self._news.clear()
                await self._reconcile(carrying)
                await self._patience.insist(self.tick)
                await self._clock.wait(self._news, until=self._clock.now() + LOOKS_EVERY)
        finally:
            for task in carrying.values():
                task.cancel()
            if carrying:
                await asyncio.wait(carrying.values())
            for courier in (*self._couriers.values(), *self._retired):
                await courier.close()

    async def _reconcile(self, carrying: dict[Courier, "asyncio.Task[None]"]) -> None:
        for courier in self._couriers.values():
            if courier not in carrying:
                name = f"notifications to {courier.endpoint.name}"
                carrying[courier] = asyncio.create_task(courier.serve(), name=name)
        for courier, task in tuple(carrying.items()):
            if task.done():
                task.result()
            if self._couriers.get(courier.endpoint.name) is not courier:
                task.cancel()
                await asyncio.wait({task})
                del carrying[courier]
        while self._retired:
            await self._retired.pop().close()

    async def tick(self) -> None:
        """Make notices of outages that last, and deliveries of notices."""
        now = self._clock.now()
        self._switches = await self._present_switches()
        if self._minds_outages_at is None or now >= self._minds_outages_at:
            await self.store.note_held_up(now, HOLDING_UP, after=HELD_UP_AFTER, over=RECOVERED_AFTER)
            self._minds_outages_at = now + MINDS_OUTAGES_EVERY
        if self._cleans_at is None or now >= self._cleans_at:
            await self.store.forget(now - KEPT_FOR)
            self._cleans_at = now + CLEANS_EVERY
        if not self._couriers:  # the endpoints may be another daemon's
            await self.store.pass_over(now, now - PASSED_OVER_AFTER)
        handed_out = PAGE
        while self._couriers and handed_out == PAGE:
            handed_out = await self.store.hand_out(now, self._for_endpoints, PAGE)
            if handed_out:
                for courier in self._couriers.values():
                    courier.nudge()

    async def _present_switches(self) -> dict[str, Switch]:
        """Without those of endpoints that have another address by now: these are others."""
        switches = await self.store.switches()
        for name, switch in tuple(switches.items()):
            courier = self._couriers.get(name)
            if courier is not None and courier.address not in ("", switch.address):
                await self.store.switch_on(name)
                del switches[name]
        return switches

    def _for_endpoints(self, notice: Notice) -> Iterator[ForEndpoint]:
        for courier in self._couriers.values():
            if courier.endpoint.wants(notice.event, notice.workflow):
                name, switch = courier.endpoint.name, self._switches.get(courier.endpoint.name)
                yield ForEndpoint(name, message_of(notice, self._public_url), None if switch is None else switch.why)
