"""How often connections to APIs were asked, by the minute."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

_sql = load("admin.connection_usage")

Minutes = Mapping[datetime, int]


class ConnectionUsage:
    """The table `connection_usage`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, usage: Mapping[str, Minutes]) -> None:
        """Add requests to what is written of each connection and minute."""
        rows = [(name, minute, requests) for name, minutes in usage.items() for minute, requests in minutes.items()]
        if rows:
            await self._pool.execute(_sql.add_usage, *map(list, zip(*rows, strict=True)))

    async def list(self, *, since: datetime) -> dict[str, dict[datetime, int]]:
        """By connection and minute, of minutes from `since` on."""
        found: dict[str, dict[datetime, int]] = defaultdict(dict)
        for row in await self._pool.fetch(_sql.list_usage, since):
            found[row["connection"]][row["minute"]] = row["requests"]
        return dict(found)

    async def forget(self, *, before: datetime) -> None:
        """Remove what is older."""
        await self._pool.execute(_sql.forget_usage, before)
