"""Whether the daemon can do its work, and if not, why."""

from datetime import datetime

import asyncpg
import structlog

from backfilld.app.database import Database
from backfilld.app.engine_parts import EngineParts
from backfilld.app.process.instance import Instance
from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason
from backfilld.operations.system.status import ThisDaemon
from backfilld.store.connection.deadlines import connection_within
from backfilld.store.connection.pool import Pool

log = structlog.get_logger(__name__)

ASK_SECONDS = 2.0
TICK_SECONDS = 130.0  # two of the scheduler's longest waits


class Readiness:
    """What start and stop know, and what can be asked."""

    def __init__(
        self, database: Database, pool: Pool, engine: EngineParts, instance: Instance, clock: Clock
    ) -> None:  # fmt: skip
        self.database_name = database.name
        self._pool = pool
        self._engine = engine
        self._scheduler = engine.scheduler
        self._clock = clock
        self.this_daemon = ThisDaemon(instance.name, instance.process, database.name, clock.now(), self.checks)
        self._report = "waiting for the database"
        self.migrated = False
        self.stopping = False

    def report(self, obstacle: str) -> None:
        """What start-up is waiting for."""
        if obstacle.split("(", 1)[0] != self._report.split("(", 1)[0]:
            log.warning("not ready", why=obstacle, database=self.database_name)
        self._report = obstacle

    async def checks(self) -> dict[str, str | None]:
        """Each part with what is wrong with it; None: nothing."""
        return {
            "database": await self._database(),
            "migrations": None if self.migrated else self._report,
            "scheduler": self._scheduler_state(),
        }

    @property
    def waits_for(self) -> str:
        """What start-up is waiting for."""
        return self._report

    @property
    def stop_reason(self) -> Reason | None:
        """Why an operator keeps everything from starting; None if nobody does."""
        return self._scheduler.stop_reason

    @property
    def stopped_since(self) -> datetime | None:
        """Since when an operator keeps everything from starting; None if nobody does."""
        reason = self._scheduler.stop_reason
        return reason.since if reason else None

    def is_alive(self) -> bool:
        """True unless the scheduler has stopped looking; a database that is away is no reason to be restarted."""
        last = self._scheduler.last_tick_at
        return not self.migrated or last is None or self._clock.monotonic() - last < TICK_SECONDS or self._is_waiting()

    def _is_waiting(self) -> bool:
        return self._scheduler.waits_for_database

    async def _database(self) -> str | None:
        try:
            async with connection_within(self._pool, ASK_SECONDS) as connection:
                await connection.fetchval("SELECT 1")
        except asyncpg.TooManyConnectionsError as problem:
            return f"{self.database_name} has no connection left for us: {problem}"
        except Exception as problem:
            if self._pool.get_size() == self._pool.get_max_size() and not self._pool.get_idle_size():
                return f"all {self._pool.get_size()} connections for requests are in use (database.pool_size)"
            return f"{self.database_name} does not answer: {type(problem).__name__}"
        return self._obstacle()

    def _obstacle(self) -> str | None:
        """What a database refuses that answers questions: its disk may be full, or one of our connections missing."""
        for loop in self._engine.serving:
            if loop.part.is_vital and (obstacle := loop.obstacle) is not None:
                return f"{self.database_name} does not {loop.part.value}: {type(obstacle).__name__}"
        return None

    def _scheduler_state(self) -> str | None:
        if self.stopping:
            return "the daemon is stopping"
        if self._scheduler.last_tick_at is None:
            return "not started yet"
        if not self.is_alive():
            return "has not looked for a long time"
        return None
