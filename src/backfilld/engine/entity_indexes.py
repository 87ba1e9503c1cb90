"""The indexes of attributes that the configuration wants: made, removed and told of in the background.

What is in the database is the truth, so that a crash in the middle, another daemon or a hand that removed one needs no
bookkeeping: a look compares what there is with what is wanted. One daemon makes them at a time. Whoever plans or
counts asks here which are ready, and is right without them, too.
"""

import logging
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.filters import parse_path
from backfilld.engine.service import Part, Patience, Service
from backfilld.store.entities.indexes import EntityIndexStore, FoundIndex, IndexMaker
from backfilld.store.entities.keys import Path, index_name

log = logging.getLogger(__name__)

LOOKS_AGAIN = timedelta(seconds=5)  # while another daemon is at it
TRIES_AGAIN = timedelta(minutes=5)  # what could not be made
GOES_AWAY = (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
NO_SESSION = "there is only a way through a pooler to the database: set [database] direct_dsn"
NO_RIGHT = (
    "the role of the daemon does not own the table: let it be a member of the role that does, or take the index out of"
    " the configuration"
)


@dataclass(frozen=True, slots=True)
class IndexState:
    """One that is wanted: `ready`, `building`, `waiting` for its turn, or `failed`, which is tried again.

    `share` of it is made, 0 to 1, where that is known; `problem` says why it failed.
    """

    field: str
    state: str
    share: float | None = None
    problem: str | None = None


class EntityIndexes:
    """One loop, in the background. `put` may be called at any time."""

    part = Part.INDEXES

    def __init__(self, store: EntityIndexStore, clock: Clock, bus: Bus) -> None:
        self._store = store
        self._clock = clock
        self._wanted: dict[str, tuple[str, Path, str]] = {}  # by name: type, path, field as it is written
        self._ready: dict[str, frozenset[Path]] = {}
        self._problems: dict[str, str] = {}
        self._again_at: datetime | None = None  # not before this, while there are problems
        self._service = Service(self.tick, clock, Patience.of(self.part, clock, bus))

    @property
    def obstacle(self) -> Exception | None:
        """What the last look failed of."""
        return self._service.obstacle

    async def serve(self) -> None:
        """See to them until cancelled."""
        await self._service.serve()

    def put(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """From now on these fields of these types."""
        self._wanted = {
            index_name(entity_type, path): (entity_type, path, field)
            for entity_type, fields in wanted.items()
            for field in fields
            for path in [parse_path(field)]
        }
        self._problems.clear()
        self._again_at = None
        self._service.nudge()

    def ready(self, entity_type: str) -> Collection[Path]:
        """The fields of a type that have an index at this moment."""
        return self._ready.get(entity_type, frozenset())

    async def states(self) -> dict[str, list[IndexState]]:
        """By type, in the order of the configuration."""
        found = await self._store.list_found() if self._wanted else {}
        told: dict[str, list[IndexState]] = {}
        for name, (entity_type, _, field) in self._wanted.items():
            told.setdefault(entity_type, []).append(self._state(field, found.get(name), self._problems.get(name)))
        return told

    def _state(self, field: str, index: FoundIndex | None, problem: str | None) -> IndexState:
        if index is not None and index.is_ready:
            return IndexState(field, "ready", 1.0)
        if index is not None and index.is_being_made:
            return IndexState(field, "building", index.share)
        return IndexState(field, "failed" if problem else "waiting", problem=problem)

    async def tick(self) -> datetime | None:
        """Make and remove what there is to; None: nothing is left to do."""
        if not self._differs(await self._looked()):
            return None
        if self._again_at is not None and self._clock.now() < self._again_at:
            return self._again_at
        if not self._store.can_be_made:
            self._problems = dict.fromkeys(self._wanted, NO_SESSION)
            return None
        self._problems.clear()
        async with self._store.alone() as maker:
            if maker is not None:
                await self._set_right(maker)
        if not self._differs(await self._looked()):
            return None
        self._again_at = self._clock.now() + TRIES_AGAIN if self._problems else None
        return self._again_at or self._clock.now() + LOOKS_AGAIN

    async def _looked(self) -> dict[str, FoundIndex]:
        found = await self._store.list_found()
        ready: dict[str, set[Path]] = {}
        for name, (entity_type, path, _) in self._wanted.items():
            if name in found and found[name].is_ready:
                ready.setdefault(entity_type, set()).add(path)
        self._ready = {entity_type: frozenset(paths) for entity_type, paths in ready.items()}
        return found

    def _differs(self, found: Mapping[str, FoundIndex]) -> bool:
        return found.keys() != self._wanted.keys() or not all(index.is_ready for index in found.values())

    async def _set_right(self, maker: IndexMaker) -> None:
        found = await maker.list_found()
        for name, index in found.items():
            if name not in self._wanted or not index.is_ready:
                await self._does(name, maker.remove(name))
        for name, (entity_type, path, field) in list(self._wanted.items()):
            is_there = name in found and found[name].is_ready
            if is_there or name in self._problems or name not in self._wanted:
                continue
            if await self._does(name, maker.make(entity_type, path)):
                log.info("the index of %s by %s is ready", entity_type, field)
            else:
                log.warning("no index of %s by %s could be made: %s", entity_type, field, self._problems[name])
            await self._looked()

    async def _does(self, name: str, work: Awaitable[None]) -> bool:
        """False if it could not be done. A connection that is lost is waited for; anything else has a problem."""
        try:
            await work
        except asyncpg.InsufficientPrivilegeError:
            self._problems[name] = NO_RIGHT
        except asyncpg.PostgresError as problem:
            if isinstance(problem, GOES_AWAY):
                raise
            self._problems[name] = str(problem)
        return name not in self._problems
