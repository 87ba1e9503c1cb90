"""What people may ask of notifications: whether they arrive, a test, and to send again what did not."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import BackfilldError, Conflict, NotFound, did_you_mean
from backfilld.domain.notifications.ladder import Tried
from backfilld.domain.notifications.messages import test_message
from backfilld.engine.notifications.courier import Courier
from backfilld.engine.notifications.deliverer import Deliverer
from backfilld.engine.notifications.endpoint import Endpoint
from backfilld.store.admin import audit
from backfilld.store.connection.pool import Pool
from backfilld.store.steering.deliveries import Delivery, DeliveryStore, Summary, Switch


@dataclass(frozen=True, slots=True)
class EndpointNow:
    """An endpoint of the file, and what has become of its messages. `switch` None: it is on."""

    endpoint: Endpoint
    summary: Summary
    switch: Switch | None


class NotificationOperations:
    """One function per verb."""

    def __init__(self, pool: Pool, deliverer: Deliverer, clock: Clock) -> None:
        self._pool = pool
        self._store = DeliveryStore(pool)
        self._deliverer = deliverer
        self._clock = clock

    async def list_all(self) -> list[EndpointNow]:
        """Those of the file, in its order."""
        switches = await self._store.switches()
        return [
            EndpointNow(one.endpoint, await self._store.summary(one.endpoint.name), switches.get(one.endpoint.name))
            for one in self._deliverer
        ]

    async def test(self, actor: Actor, name: str) -> tuple[Tried, float]:
        """Send a test now, and how long it took. One that arrives switches the endpoint on again."""
        courier = self._get(name)
        began = self._clock.monotonic()
        tried = await courier.sender.send(f"msg_{uuid4().hex}", test_message(name, self._clock.now()))
        took = self._clock.monotonic() - began
        async with self._pool.acquire() as connection, connection.transaction():
            was_off = tried.is_done and await self._store.switch_on(name, on=connection)
            new = {"arrived": tried.is_done, "http_status": tried.status, "error": tried.error}
            await audit.record(
                connection, actor, "notification.test", f"notification/{name}", at=self._clock.now(),
                old={"enabled": False} if was_off else None, new=new | ({"enabled": True} if was_off else {}),
            )  # fmt: skip
        if tried.is_done:
            self._deliverer.nudge()
        return tried, took

    async def list_deliveries(
        self, name: str, state: str | None, *, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[Delivery]:
        """Its messages, newest first."""
        self._get(name)
        return await self._store.list_page(name, state, before=before, limit=limit)

    async def resend(self, actor: Actor, name: str, id: UUID | None) -> int:
        """Send one again that is not on its way, or (None) all that nobody tries any more; how many."""
        courier, now = self._get(name), self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            number = await self._store.resend(name, id, now, on=connection)
            new = {"delivery": id, "number": number}
            await audit.record(connection, actor, "notification.resend", f"notification/{name}", at=now, new=new)
            if id is not None and not number:
                raise await self._not_sent_again(name, id)
            reached(Point.RESEND_BEFORE_COMMIT)
        reached(Point.RESEND_AFTER_COMMIT)
        courier.nudge()
        return number

    async def _not_sent_again(self, name: str, id: UUID) -> BackfilldError:
        if await self._store.find(name, id) is None:
            return NotFound(f"{name} has no delivery {id}")
        return Conflict("it is on its way already", code="delivery_pending")

    def _get(self, name: str) -> Courier:
        courier = self._deliverer.find(name)
        if courier is None:
            known = [one.endpoint.name for one in self._deliverer]
            raise NotFound(f"there is no notification endpoint '{name}'{did_you_mean(name, known)}")
        return courier
