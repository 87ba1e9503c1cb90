"""Connections through a pooler that gives every transaction another session, as PgBouncer does in transaction mode.

Three things break there: settings made once for a session, prepared statements, and any statement in two steps
(asyncpg's are: parse, then execute). So here everything happens inside a transaction, which brings its settings
along and has one session to itself.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from backfilld.store.connection.known_types import KnowingConnection

STARTUP = ("application_name", "timezone")  # what PgBouncer keeps for each client by itself


class PooledConnection(KnowingConnection):
    """A single statement becomes a transaction of its own; longer transactions stay as they are."""

    settings = ""  # SET LOCAL …, sent together with BEGIN

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        if query.startswith("BEGIN"):
            return await super().execute(query + self.settings, timeout=timeout)
        async with self._session():
            return await super().execute(query, *args, timeout=timeout)

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        async with self._session():
            await super().executemany(command, args, timeout=timeout)

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        async with self._session():
            return await super().fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        async with self._session():
            return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        async with self._session():
            return await super().fetchval(query, *args, **options)

    def get_reset_query(self) -> str:
        return ""  # it would reset whichever session comes along

    def _session(self) -> AbstractAsyncContextManager[object]:
        return nullcontext() if self.is_in_transaction() else self.transaction()


def pooled_with(settings: Mapping[str, str]) -> type[PooledConnection]:
    """Connections whose every transaction has these settings."""
    local = [f"SET LOCAL {name} = '{value}';" for name, value in settings.items() if name not in STARTUP]
    return type("PooledConnection", (PooledConnection,), {"settings": "".join(local)})
