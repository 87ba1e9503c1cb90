"""How this installation is: its parts, its database, the daemons on it, and whether everything is stopped."""

import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backfilld import __version__
from backfilld.clock import Clock
from backfilld.domain.stopping import StopOrder
from backfilld.domain.windows.timezones import tzdata_version
from backfilld.store.admin.system import DatabaseFigures, SystemStore
from backfilld.store.connection.pool import Pool

MOST_DAEMONS = 100
FIGURES_KEPT_SECONDS = 15.0

Checks = Callable[[], Awaitable[Mapping[str, str | None]]]


@dataclass(frozen=True, slots=True)
class ThisDaemon:
    """Which process answers. `checks`: its parts, each with what is wrong with it (None: nothing)."""

    instance: str
    process: str
    database_name: str
    started_at: datetime
    checks: Checks

    @property
    def holder(self) -> str:
        """As its leases name it."""
        return f"{self.instance}/{self.process}"


@dataclass(frozen=True, slots=True)
class DaemonNow:
    """A daemon on this database. One that holds nothing is known only where it is the one that answers."""

    instance: str
    process: str
    is_this: bool
    backfills: int
    attempts: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class DatabaseNow:
    """`latency_seconds`: how long it took to be asked for the rest."""

    name: str
    version: str
    size_bytes: int
    latency_seconds: float


@dataclass(frozen=True, slots=True)
class SystemNow:
    """All of it at one moment."""

    at: datetime
    started_at: datetime
    version: str
    python: str
    tzdata: str
    checks: Mapping[str, str | None]
    database: DatabaseNow
    daemons: Sequence[DaemonNow]
    order: StopOrder

    @property
    def is_ready(self) -> bool:
        return all(problem is None for problem in self.checks.values())


class SystemReading:
    """Reads it. `order`: the stop order as this process obeys it."""

    def __init__(self, pool: Pool, daemon: ThisDaemon, order: Callable[[], StopOrder], clock: Clock) -> None:
        self._store = SystemStore(pool)
        self._daemon = daemon
        self._order = order
        self._clock = clock
        self._figures: tuple[DatabaseFigures, float] | None = None
        self._read_at = 0.0

    def order(self) -> StopOrder:
        """The order in force here; no question to the database, so that every page may show it."""
        return self._order()

    async def read(self) -> SystemNow:
        """All of it. The figures of the database are at most a quarter of a minute old."""
        figures, seconds = await self._known_figures()
        return SystemNow(
            at=self._clock.now(),
            started_at=self._daemon.started_at,
            version=__version__,
            python=platform.python_version(),
            tzdata=tzdata_version(),
            checks=await self._daemon.checks(),
            database=DatabaseNow(self._daemon.database_name, figures.version, figures.size_bytes, seconds),
            daemons=await self._daemons(),
            order=self._order(),
        )

    async def _known_figures(self) -> tuple[DatabaseFigures, float]:
        began = self._clock.monotonic()
        if self._figures is None or began - self._read_at >= FIGURES_KEPT_SECONDS:
            found = await self._store.figures()
            self._figures, self._read_at = (found, self._clock.monotonic() - began), began
        return self._figures

    async def _daemons(self) -> Sequence[DaemonNow]:
        this = self._daemon
        found = []
        for holder in await self._store.holders(MOST_DAEMONS):
            instance, _, process = holder.name.partition("/")
            counts = (holder.backfills, holder.attempts, holder.in_flight)
            found.append(DaemonNow(instance, process, holder.name == this.holder, *counts))
        if not any(one.is_this for one in found):
            found.append(DaemonNow(this.instance, this.process, True, 0, 0, 0))
        return sorted(found, key=lambda one: (not one.is_this, one.instance, one.process))
