"""Notices, the messages that become of them, and endpoints that want none: as rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson

from backfilld.crash_points import Point, reached
from backfilld.domain.notifications.messages import Message, Notice
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

_notices = load("steering.notices")
_sql = load("steering.deliveries")
FOREVER = datetime(9999, 12, 30, tzinfo=UTC)
LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one endpoint. Exactly one of `next_attempt_at`, `delivered_at` and `dead_at` is set."""

    id: UUID
    endpoint: str
    event: str
    message: Mapping[str, Any]
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    was_unsure: bool
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None
    dead_at: datetime | None


@dataclass(frozen=True, slots=True)
class Switch:
    """An endpoint is off, since it wanted nothing more; `address` is what it was then."""

    off_at: datetime
    why: str
    address: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What is under way to an endpoint, and what is not any more."""

    pending: int
    dead: int
    last_delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class ForEndpoint:
    """A message that somebody is to have. `dead`: why nobody tries to."""

    endpoint: str
    message: Message
    dead: str | None = None


class DeliveryStore:
    """The tables `notices`, `deliveries` and `notification_switches`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note_held_up(self, now: datetime, codes: Iterable[str], *, after: timedelta, over: timedelta) -> None:
        """Make notices of what has been held up for `after`, and of what has been well again for `over`."""
        await self._pool.execute(_notices.note_held_up, now, list(codes), now - after)
        await self._pool.execute(_notices.note_recovered, now, now - over, now - timedelta(days=30))

    async def hand_out(self, now: datetime, made: Callable[[Notice], Iterable[ForEndpoint]], limit: int) -> int:
        """Make deliveries of the next notices, as `made` says, in one transaction; how many notices there were."""
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_notices.take_new, now, limit)
            for row in rows:
                for one in made(_notice(row)):
                    text = orjson.dumps(one.message).decode()
                    await connection.execute(_sql.add, uuid4(), one.endpoint, row["event"], text, now, one.dead)
            if rows:
                reached(Point.NOTICES_BEFORE_COMMIT)
        if rows:
            reached(Point.NOTICES_AFTER_COMMIT)
        return len(rows)

    async def pass_over(self, now: datetime, before: datetime) -> None:
        """Make nothing of notices older than `before` that nobody has taken."""
        await self._pool.execute(_notices.pass_over, now, before)

    async def take_due(self, endpoint: str, now: datetime, *, held: timedelta, limit: int) -> list[Delivery]:
        """What is due; nobody else tries it until `held` is over."""
        rows = await self._pool.fetch(_sql.take_due, endpoint, now, now + held, limit)
        return sorted(map(_delivery, rows), key=lambda one: (one.created_at, one.id))

    async def next_due(self, endpoint: str) -> datetime | None:
        """When the next one is to be tried."""
        at: datetime | None = await self._pool.fetchval(_sql.next_due, endpoint)
        return at

    async def note_try(
        self,
        id: UUID,
        *,
        status: int | None,
        error: str | None,
        was_unsure: bool,
        next_attempt_at: datetime | None = None,
        delivered_at: datetime | None = None,
        dead_at: datetime | None = None,
    ) -> None:
        """Write down how a try went."""
        await self._pool.execute(_sql.note_try, id, next_attempt_at, delivered_at, dead_at, status, error, was_unsure)

    async def resend(self, endpoint: str, id: UUID | None, now: datetime, *, on: Connection) -> int:
        """Try it once more from the beginning (None: every dead one); how many there are."""
        return len(await on.fetch(_sql.resend, endpoint, id, now))

    async def find(self, endpoint: str, id: UUID) -> Delivery | None:
        row = await self._pool.fetchrow(_sql.find, endpoint, id)
        return None if row is None else _delivery(row)

    async def list_page(
        self, endpoint: str, state: str | None, *, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[Delivery]:
        """The newest `limit` before (created at, id), newest first."""
        at, id = before or (FOREVER, LAST)
        return [_delivery(row) for row in await self._pool.fetch(_sql.list, endpoint, state, at, id, limit)]

    async def summary(self, endpoint: str) -> Summary:
        """What has become of its messages."""
        row = await self._pool.fetchrow(_sql.summarize, endpoint)
        assert row is not None  # noqa: S101 - an aggregate always gives one
        return Summary(**row)

    async def switches(self) -> dict[str, Switch]:
        """Endpoints that are off, by name."""
        rows = await self._pool.fetch(_sql.list_switches)
        return {row["endpoint"]: Switch(row["off_at"], row["why"], row["address"]) for row in rows}

    async def switch_off(self, endpoint: str, *, at: datetime, why: str, address: str) -> None:
        """It wants nothing more: what waits for it is dead, and can be sent again later."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_sql.switch_off, endpoint, at, why, address)
            await connection.execute(_sql.give_up, endpoint, at, why)

    async def switch_on(self, endpoint: str, *, on: Connection | None = None) -> bool:
        """It wants messages again; whether it wanted none."""
        return await (on or self._pool).fetchval(_sql.switch_on, endpoint) is not None

    async def forget(self, before: datetime) -> None:
        """Remove what is so old, and waits for nothing."""
        await self._pool.execute(_sql.forget, before)
        await self._pool.execute(_notices.forget_notices, before)


def _notice(row: asyncpg.Record) -> Notice:
    return Notice(
        sequence=row["id"],
        event=row["event"],
        at=row["at"],
        facts=orjson.loads(row["facts"]),
        backfill_id=None if row["backfill_id"] is None else str(row["backfill_id"]),
        name=row["name"],
        workflow=row["workflow"],
        brake=row["brake"],
        by=row["by"] or "system",
    )


def _delivery(row: asyncpg.Record) -> Delivery:
    return Delivery(**{**row, "message": orjson.loads(row["message"])})
