"""Sessions of the dashboard as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from backfilld.domain.access.callers import Caller
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

if TYPE_CHECKING:
    import asyncpg

_sql = load("admin.web_sessions")


@dataclass(frozen=True, slots=True)
class WebSession:
    """Somebody who is signed in with a browser."""

    id: UUID
    caller: Caller
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str


class WebSessionStore:
    """The table `web_sessions`. `seen_after`: whoever was silent since is signed in no more."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def insert(
        self, session: WebSession, token_hash: bytes, *, key_id: UUID | None, seen_after: datetime
    ) -> None:
        """Keep a new one, and throw away some that are over."""
        caller = session.caller
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_sql.end_old_sessions, session.created_at, seen_after)
            await connection.execute(
                _sql.insert_session, session.id, token_hash, caller.identity, caller.name, caller.role, caller.kind,
                key_id, session.created_at, session.expires_at, session.user_agent,
            )  # fmt: skip

    async def find(self, token_hash: bytes, *, now: datetime, seen_after: datetime) -> WebSession | None:
        """The session of a token, if it is not over and its key still stands for the same role."""
        row = await self._pool.fetchrow(_sql.find_session, token_hash, now, seen_after)
        return _session(row) if row else None

    async def touch(self, id_: UUID, at: datetime) -> None:
        """Remember that it was used."""
        await self._pool.execute(_sql.touch_session, id_, at)

    async def list(self, identity: str, *, now: datetime, seen_after: datetime, limit: int) -> "list[WebSession]":
        """Those of one caller, newest first."""
        return [_session(row) for row in await self._pool.fetch(_sql.list_sessions, identity, now, seen_after, limit)]

    async def end(self, id_: UUID, identity: str) -> bool:
        """Whether there was one of that caller to end."""
        return await self._pool.fetchval(_sql.end_session, id_, identity) is not None

    async def insert_link(self, token_hash: bytes, key_id: UUID, *, now: datetime, expires_at: datetime) -> None:
        """Keep a link that signs in the caller of that key, once."""
        await self._pool.execute(_sql.insert_link, token_hash, key_id, now, expires_at)

    async def take_link(self, token_hash: bytes, now: datetime) -> Caller | None:
        """Whom the link signs in, which is used up by that; None if there is none, or it is over, or its key is."""
        row = await self._pool.fetchrow(_sql.take_link, token_hash, now)
        return Caller(f"key:{row['id']}", row["name"], row["role"], "key") if row else None


def _session(row: "asyncpg.Record") -> WebSession:
    caller = Caller(row["identity"], row["name"], row["role"], row["kind"])
    return WebSession(
        row["id"], caller, row["created_at"], row["last_seen_at"], row["expires_at"], row["user_agent"]
    )  # fmt: skip
