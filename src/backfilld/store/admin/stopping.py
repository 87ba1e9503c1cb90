"""The order that nothing may start, and which leases are obeyed under it."""

from datetime import datetime

import asyncpg

from backfilld.domain.stopping import StopOrder
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

_sql = load("admin.stopping")


class StopStore:
    """The table `stop_order`, which has one row. `on` is a connection whose transaction shall do it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self) -> StopOrder:
        """The order as last committed."""
        return order_of(await self._pool.fetchrow(_sql.get_stop_order))

    async def lock(self, *, on: Connection) -> StopOrder:
        """The order, which nobody else changes and no lease is taken under until the transaction ends."""
        return order_of(await on.fetchrow(_sql.lock_stop_order))

    async def change(self, *, stopped: bool, by: str, why: str | None, at: datetime, on: Connection) -> StopOrder:
        """Give another order, and tell every daemon when the transaction commits."""
        return order_of(await on.fetchrow(_sql.change_stop_order, stopped, by, why, at))

    async def count_not_obeying(self, version: int) -> int:
        """How many leases stand whose holders may still start what `version` forbids."""
        count: int = await self._pool.fetchval(_sql.count_not_obeying, version)
        return count


def order_of(row: asyncpg.Record | None) -> StopOrder:
    """The order in a row that has its columns."""
    assert row is not None  # noqa: S101 - the migration makes the row, and nothing removes it
    return StopOrder(row["version"], row["stopped"], row["by"], row["why"], row["since"])


async def holds_anything(connection: Connection) -> bool:
    """False for a database that nobody has used yet, so that a backup may be restored into it."""
    return bool(await connection.fetchval(_sql.count_relations))


def stop_after_restore(backup: str, at: datetime) -> str:
    """SQL that stops everything in a restored database, whichever schema it is in, as part of the restoring."""
    why = f"restored from {backup}".replace("'", "''")
    return _STOP_RESTORED.format(why=why, at=at.isoformat())


_STOP_RESTORED = """
DO $restored$
DECLARE
    place regclass;
BEGIN
    FOR place IN SELECT oid FROM pg_catalog.pg_class WHERE relname = 'stop_order' AND relkind = 'r' LOOP
        EXECUTE pg_catalog.format(
            'UPDATE %s SET version = version + 1, stopped = true, by = %L, why = %L, since = %L',
            place, 'backfilld db restore', '{why}', '{at}');
    END LOOP;
END
$restored$;
"""
