"""What connections have spent of their budgets, kept over a restart."""

import logging
from collections.abc import Mapping
from datetime import timedelta

from backfilld.clock import Clock
from backfilld.sources.http.asking.connection import Connection
from backfilld.store.admin.connection_usage import ConnectionUsage
from backfilld.store.connection.transient_errors import is_transient

log = logging.getLogger(__name__)

LONGEST_SPAN = timedelta(hours=1)
KEPT = 2 * LONGEST_SPAN


class UsageKeeper:
    """Writes down what was asked, and counts it after a restart."""

    def __init__(self, store: ConnectionUsage, connections: Mapping[str, Connection], clock: Clock) -> None:
        self._store = store
        self._connections = connections
        self._clock = clock

    async def restore(self) -> None:
        """Count what was asked in the last hour. To be called before anything is asked."""
        if not self._connections:
            return
        try:
            found = await self._store.list(since=self._clock.now() - LONGEST_SPAN - timedelta(minutes=1))
        except Exception as problem:
            if not is_transient(problem):
                raise
            log.warning("what connections have spent of their budgets is not known: %r", problem)
            return
        for name, minutes in found.items():
            if name in self._connections:
                self._connections[name].budget.restore(minutes)

    async def write(self) -> None:
        """Write down what was asked since the last time; what cannot be written is kept for the next."""
        asked = {name: connection.budget.asked_since_written() for name, connection in self._connections.items()}
        asked = {name: minutes for name, minutes in asked.items() if minutes}
        if not asked:
            return
        await self._store.add(asked)
        for name, minutes in asked.items():
            self._connections[name].budget.was_written(minutes)
        await self._store.forget(before=self._clock.now() - KEPT)
