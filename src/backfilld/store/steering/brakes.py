"""Latches, releases and episodes of brakes, as rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import OURSELVES
from backfilld.domain.brakes.kept import Episode, Kept
from backfilld.store.admin import audit
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

_sql = load("steering.brakes")


class BrakeStore:
    """The tables `brake_states` and `brake_episodes`. `on` is a connection whose transaction shall do it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, *, on: Connection | None = None) -> Mapping[str, Kept]:
        """What is kept, by the names of brakes; of one that is not there nothing is."""
        rows = await (on or self._pool).fetch(_sql.list_states)
        return {
            row["name"]: Kept(
                row["critical_at"], row["critical_value"], row["released_until"], row["released_by"],
                row["release_reason"],
            )
            for row in rows
        }  # fmt: skip

    async def latch(self, name: str, at: datetime, value: float, why: str) -> None:
        """Keep that it was critical, and tell it; once one is kept, another changes nothing."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchrow(_sql.latch, name, at, value, why) is not None:
                await audit.record(
                    connection, OURSELVES, "brake.latch", f"brake/{name}", at=at, reason=why, new={"value": value}
                )
            reached(Point.BRAKE_LATCH_BEFORE_COMMIT)
        reached(Point.BRAKE_LATCH_AFTER_COMMIT)

    async def reset(self, name: str, *, on: Connection) -> Kept | None:
        """Take the latch away; what it was, None if there was none."""
        row = await on.fetchrow(_sql.reset, name)
        return None if row is None else Kept(row["critical_at"], row["critical_value"])

    async def release(self, name: str, *, until: datetime, by: str, why: str | None, on: Connection) -> None:
        """Hold it open until then, in place of any release before."""
        await on.fetchrow(_sql.release, name, until, by, why)

    async def begin_episode(self, name: str, *, why: str, at: datetime, value: float | None) -> None:
        """It holds from now on; if that is known already, nothing changes."""
        await self._pool.execute(_sql.begin_episode, name, why, at, value)

    async def end_episode(self, name: str, *, at: datetime, worst: float | None) -> None:
        """It holds no more, if it did."""
        await self._pool.execute(_sql.end_episode, name, at, worst)

    async def list_episodes(self, name: str, limit: int) -> list[Episode]:
        """The last ones, newest first."""
        rows = await self._pool.fetch(_sql.list_episodes, name, limit)
        return [Episode(row["why"], row["began_at"], row["ended_at"], row["worst"]) for row in rows]

    async def list_since(self, names: Sequence[str], since: datetime) -> list[tuple[datetime, datetime | None]]:
        """When any of these brakes held behind `since`, each from when to when; None: it still does."""
        rows = await self._pool.fetch(_sql.list_since, list(names), since)
        return [(row["began_at"], row["ended_at"]) for row in rows]

    async def forget_episodes(self, before: datetime) -> None:
        """Remove those that ended before then."""
        await self._pool.execute(_sql.forget_episodes, before)
