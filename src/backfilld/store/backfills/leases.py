"""Who may run what, with fencing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from backfilld.domain.backfills.owner.word import OwnersWord
from backfilld.domain.backfills.records import InFlight
from backfilld.domain.backfills.states import RUNNABLE
from backfilld.domain.stopping import NEVER_STOPPED, StopOrder
from backfilld.store.admin.stopping import order_of
from backfilld.store.connection.deadlines import connection_within
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

queries = load("backfills.leases")

MOST_ITEMS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LENGTH = timedelta(seconds=3)
_WORD = TypeAdapter(OwnersWord)
_RUNNABLE = [status.value for status in sorted(RUNNABLE)]


@dataclass(frozen=True, slots=True)
class Grant:
    """A lease as the database gave it. `clean`: the last owner gave it back in order, or there was none.

    `stop_order` is to be obeyed before anything starts under the lease.
    """

    backfill_number: int
    fence: int
    holder: str
    clean: bool
    stop_order: StopOrder = NEVER_STOPPED

    @property
    def key(self) -> int:
        return self.backfill_number


@dataclass(frozen=True, slots=True)
class Word:
    """What a renewal says of one lease: the version of its backfill, or whether its attempt is to be killed."""

    version: int = 0
    is_killed: bool = False


class Holding(NamedTuple):
    """A lease to be renewed, and what is to be known of its backfill if the holder dies before the next renewal."""

    key: int
    fence: int
    in_flight: int
    hand_out_limit: int = 0
    items: Sequence[InFlight] = ()  # the oldest MOST_ITEMS of what is in flight, for those who are asked elsewhere
    says: OwnersWord | None = None  # why nothing starts, for the same


@dataclass(frozen=True, slots=True)
class Renewal:
    """A word for each lease that still stands, by its key, and the stop order (None: nothing stands any more)."""

    words: Mapping[int, Word]
    stop_order: StopOrder | None


@dataclass(frozen=True, slots=True)
class Look:
    """When the next backfill falls due; whether other instances hold leases that may run out; and whether a pause is
    over that somebody wanted until now."""

    wake_at: datetime | None
    others_hold_some: bool
    a_pause_is_over: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lease that is not over."""

    holder: str
    fence: int
    acknowledged_version: int


class LeaseStore:
    """`instance` names a state directory for ever, `process` one process that has locked it."""

    tells_changes = True  # a renewal tells the version of each backfill

    def __init__(self, pool: Pool, *, instance: str, process: str) -> None:
        self._pool = pool
        self.instance = instance
        self._process = process

    async def acquire(self, backfill_number: int) -> Grant | None:
        """The lease, if the backfill may be run and nobody living holds it."""
        row = await self._pool.fetchrow(
            queries.acquire_lease, backfill_number, self.instance, self._process, LENGTH, _RUNNABLE
        )
        if row is None:
            return None
        return Grant(backfill_number, row["fence"], row["holder"], row["clean"], order_of(row))

    async def renew(self, held: Sequence[Holding], *, obeys_stop: int, within_seconds: float) -> Renewal:
        """Renew each, and say which version of the stop order is obeyed here.

        TimeoutError if the database does not answer in time; it may have renewed them nevertheless.
        """
        numbers, fences, in_flight, limits, items, words = zip(*held, strict=True)
        written = [_items_text(some) for some in items]
        said = [None if word is None else _WORD.dump_json(word).decode() for word in words]
        async with connection_within(self._pool, within_seconds) as connection:
            rows = await connection.fetch(
                queries.renew_leases, numbers, fences, LENGTH, in_flight, limits, obeys_stop, written, said
            )
        heard = {row["backfill_number"]: Word(version=row["backfill_version"]) for row in rows}
        return Renewal(heard, order_of(rows[0]) if rows else None)

    async def obey(self, held: Sequence[tuple[int, int]], version: int) -> None:
        """Whoever holds these (backfill, fence) starts nothing any more that `version` of the stop order forbids."""
        numbers, fences = zip(*held, strict=True)
        await self._pool.execute(queries.obey_stop_order, numbers, fences, version)

    async def release(self, backfill_number: int, fence: int, *, in_order: bool) -> None:
        """Give it back. `in_order`: nothing is left that may have been started and is not recorded."""
        await self._pool.execute(queries.release_lease, backfill_number, fence, in_order)

    async def acknowledge(self, backfill_number: int, fence: int, version: int) -> None:
        """Tell whoever waits that `version` of the backfill is in force here."""
        await self._pool.execute(queries.acknowledge, backfill_number, fence, version)

    async def find_owner(self, backfill_number: int) -> Owner | None:
        row = await self._pool.fetchrow(queries.find_owner, backfill_number)
        return Owner(**dict(row)) if row else None

    async def list_in_flight(self, backfill_number: int) -> list[InFlight]:
        """The oldest of what its owner works on, as written down with its last renewal; empty if nobody owns it."""
        text = await self._pool.fetchval(queries.find_in_flight, backfill_number)
        items = [] if text is None else json.loads(text)
        return [InFlight(position, attempt, _EPOCH + timedelta(milliseconds=ms)) for position, attempt, ms in items]

    async def list_words(self, backfill_numbers: Sequence[int]) -> dict[int, OwnersWord | None]:
        """What the owner of each says; None of one that has said nothing yet. Nothing of one that nobody owns."""
        rows = await self._pool.fetch(queries.list_words, backfill_numbers)
        return {row["backfill_number"]: _word(row["says"]) for row in rows}

    async def list_candidates(self, now: datetime, *, all_of_them: bool = False) -> list[int]:
        """Backfills that somebody should run now; `all_of_them` also those that are not due yet."""
        rows = await self._pool.fetch(queries.list_candidates, _RUNNABLE, now, self.instance, all_of_them)
        return [row["number"] for row in rows]

    async def next_look(self, now: datetime) -> Look:
        """What there is to wait for."""
        row = await self._pool.fetchrow(queries.next_look, _RUNNABLE, now, self.instance)
        assert row is not None  # noqa: S101 - an aggregate always has a row
        return Look(*row)

    async def list_over_pauses(self, now: datetime) -> list[int]:
        """Backfills that somebody wanted to be paused until now, or earlier."""
        return [row["number"] for row in await self._pool.fetch(queries.list_over_pauses, now)]


def _word(text: str | None) -> OwnersWord | None:
    """None also for one of another version, which has words that we do not know."""
    try:
        return None if text is None else _WORD.validate_json(text)
    except ValidationError:
        return None


def _items_text(items: Sequence[InFlight]) -> str | None:
    """Of backfills; attempts have none. About 25 bytes an item, so that a row stays short."""
    if not items:
        return None
    rows = [[one.position, one.attempt, (one.started_at - _EPOCH) // timedelta(milliseconds=1)] for one in items]
    return json.dumps(rows, separators=(",", ":"))
