"""What can be done later: remembering last outcomes, digesting ledgers, removing what was deleted or has grown old.

It has all the time in the world, and others are waiting for the same disk: after each piece it rests for as long as
the piece took, so that at most half of its time is spent on the database.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.engine.service import Part, Patience
from backfilld.events import BackfillExpired, RowsRemoved
from backfilld.store.backfills.removal import Hidden, RemovalStore
from backfilld.store.connection import transient_errors
from backfilld.store.ledger.digests import PAGE, DigestStore, Undigested
from backfilld.store.ledger.last_runs import LastRunsStore

log = logging.getLogger(__name__)

EVERY_SECONDS = 30.0
ENTITIES_EVERY_SECONDS = 3_600.0
SHORTEST_REST_SECONDS = 0.05
THINS_EVERY_SECONDS = 3_600.0
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
# Of the points of progress that are so old one is kept in each such stretch.
THINNED = ((timedelta(days=90), timedelta(hours=1)), (timedelta(days=7), timedelta(minutes=10)))
KEYS_LIVE = timedelta(hours=24)
DIGEST_PAGES_A_ROUND = 200  # a million positions; the rest comes with the next round


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the past is kept; None: for ever.

    `ledgers` counts from the end of a backfill, `entities` from the last change of an entity in the built-in store.
    """

    ledgers: timedelta | None = None
    entities: timedelta | None = None
    audit: timedelta | None = None


class Janitor:
    """One loop, in the background. `retention` may be changed at any time, and holds from the next round on."""

    part = Part.CLEANING

    def __init__(
        self,
        remembered: LastRunsStore,
        removal: RemovalStore,
        digests: DigestStore,
        clock: Clock,
        bus: Bus,
        retention: Retention = Retention(),  # frozen
        chores: Mapping[str, Callable[[], Awaitable[object]]] = MappingProxyType({}),
    ) -> None:
        """`chores`: what others want done in each round, by what it is in words."""
        self._remembered = remembered
        self._removal = removal
        self._digests = digests
        self._clock = clock
        self._bus = bus
        self._patience = Patience.of(self.part, clock, bus, first_pause_seconds=EVERY_SECONDS)
        self.retention = retention
        self._chores = dict(chores)
        self._thinned_hour: float | None = None
        self._entities_hour: float | None = None  # in which the entities were last looked at

    @property
    def obstacle(self) -> Exception | None:
        """What the last round failed of."""
        return self._patience.obstacle

    async def serve(self) -> None:
        """Clean up until cancelled."""
        while True:
            await self._patience.insist(self.round)
            await self._clock.sleep(EVERY_SECONDS)

    async def round(self) -> None:
        """Everything there is to do now. Outcomes are remembered, and ledgers digested, before any are removed.

        What cannot be done, for a reason that nobody foresaw, is told and left; everything else is done.
        """
        for what, chore in self._chores.items():
            await self._does(what, chore)
        if await self._does("remember last outcomes", self._remembered.bring_up_to_date):
            await self._does("hide expired backfills", self._hide_expired)
            await self._does("find ledgers to digest", self._digest_ledgers)
            for hidden in await self._removal.list_hidden():
                await self._does("remove a ledger", partial(self._remove_ledger, hidden))
        await self._does("remove stale entities", self._remove_stale_entities)
        await self._does("remove old events", self._remove_old_events)
        await self._does("thin old progress", self._thin_progress)
        await self._does("forget idempotency keys", self._forget_keys)

    async def _does(self, what: str, work: Callable[[], Awaitable[object]]) -> bool:
        """False if it could not be done."""
        try:
            await work()
        except Exception as problem:
            if transient_errors.is_transient(problem):
                raise
            log.exception("the janitor could not %s", what)
            return False
        return True

    async def _digest_ledgers(self) -> None:
        left = DIGEST_PAGES_A_ROUND
        for ended in await self._digests.list_undigested():
            what = f"digest the ledger of backfill {ended.id}"
            await self._does(what, partial(self._digest, ended, at_most=left))
            left -= 1 + (ended.planned - ended.digested_to) // PAGE
            if left <= 0:
                return

    async def _digest(self, ended: Undigested, *, at_most: int) -> None:
        async with aclosing(self._with_rests(self._digests.digest(ended))) as pages:
            async for _ in pages:
                at_most -= 1
                if at_most == 0:
                    return

    async def _remove_ledger(self, hidden: Hidden) -> None:
        await self._remove("ledger", self._removal.remove(hidden))

    async def _remove_old_events(self) -> None:
        if self.retention.audit is not None:
            before = self._clock.now() - self.retention.audit
            await self._remove("audit", self._removal.remove_events(before=before))

    async def _forget_keys(self) -> None:
        await self._remembered.forget_idempotency_keys(older_than=self._clock.now() - KEYS_LIVE)

    async def _thin_progress(self) -> None:
        """Once an hour; the first time everything, then what has grown old since."""
        now, hour = self._clock.now(), self._clock.monotonic() // THINS_EVERY_SECONDS
        if hour == self._thinned_hour:
            return
        for age, step in THINNED:
            since = BEGINNING if self._thinned_hour is None else now - age - timedelta(days=2)
            await self._removal.thin_points(since, now - age, step)
        self._thinned_hour = hour

    async def _remove_stale_entities(self) -> None:
        """Once an hour, because it looks at every entity."""
        age, hour = self.retention.entities, self._clock.monotonic() // ENTITIES_EVERY_SECONDS
        if age is None or hour == self._entities_hour:
            return
        before = self._clock.now() - age
        await self._remove("entities", self._removal.remove_entities(unchanged_since=before))
        self._entities_hour = hour

    async def _hide_expired(self) -> None:
        age = self.retention.ledgers
        if age is None:
            return
        now = self._clock.now()
        why = f"ended more than {age.days} days ago (retention.ledgers_days)"
        while expired := await self._removal.hide_expired(ended_before=now - age, at=now, why=why):
            for backfill in expired:
                self._bus.tell(BackfillExpired(backfill.id, backfill.workflow))

    async def _remove(self, what: str, pieces: AsyncGenerator[int, None]) -> None:
        began, rows = self._clock.monotonic(), 0
        async with aclosing(self._with_rests(pieces)) as rested:
            async for piece in rested:
                rows += piece
                if piece:
                    reached(Point.JANITOR_PIECE_REMOVED)
        if rows:
            self._bus.tell(RowsRemoved(what, rows, round(self._clock.monotonic() - began, 3)))

    async def _with_rests(self, pieces: AsyncGenerator[int, None]) -> AsyncGenerator[int, None]:
        """The same pieces, with a rest after each: to look is work, too."""
        async with aclosing(pieces):
            piece_began = self._clock.monotonic()
            async for piece in pieces:
                yield piece
                took = self._clock.monotonic() - piece_began
                await self._clock.sleep(max(took, SHORTEST_REST_SECONDS))
                piece_began = self._clock.monotonic()
