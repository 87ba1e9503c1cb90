"""API keys as rows."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from backfilld.domain.access.keys import ApiKey
from backfilld.domain.unreadable import each
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

if TYPE_CHECKING:
    import asyncpg

_sql = load("admin.keys")


class KeyStore:
    """Reads on its own, writes in the transaction of whoever hands in a connection (beside the audit row)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def insert(self, conn: Connection, key: ApiKey, key_hash: bytes) -> None:
        """Keep a new key."""
        await conn.execute(
            _sql.insert_key, key.id, key.name, key.role, key.prefix, key_hash, key.created_by, key.created_at,
            key.expires_at,
        )  # fmt: skip

    async def find_by_hash(self, key_hash: bytes) -> ApiKey | None:
        """The key with that hash, valid or not."""
        row = await self._pool.fetchrow(_sql.find_key_by_hash, key_hash)
        return _key(row) if row else None

    async def find_maker(self, id_: UUID) -> str | None:
        """Who made the key of that id; None if there is none."""
        maker: str | None = await self._pool.fetchval(_sql.find_maker, id_)
        return maker

    async def list(self, *, after: tuple[datetime, UUID] | None = None, limit: int = 200) -> list[ApiKey]:
        """Newest first; `after` is (created_at, id) of the last one seen."""
        at, id_ = after or (None, None)
        return each(await self._pool.fetch(_sql.list_keys, at, id_, limit), _key)

    async def revoke(self, conn: Connection, id_: UUID, at: datetime) -> tuple[ApiKey, bool] | None:
        """The key, and whether it was this call that revoked it; None if there is no such key."""
        row = await conn.fetchrow(_sql.revoke_key, id_, at)
        return (_key(row), row["revoked_now"]) if row else None

    async def touch(self, id_: UUID, at: datetime) -> None:
        """Remember that the key was used."""
        await self._pool.execute(_sql.touch_key, id_, at)


def _key(row: "asyncpg.Record") -> ApiKey:
    return ApiKey(
        row["id"], row["name"], row["role"], row["prefix"], row["created_by"], row["created_at"], row["expires_at"],
        row["revoked_at"], row["last_used_at"],
    )  # fmt: skip
