"""The ledger as people read it: plan, tries and outcomes as one list.

The engine writes it (`store.ledger`); here nothing is written, and nothing locks what the recorder needs.
Each way of looking has the statement that suits it, because the ledger of a large backfill must open as
quickly at its last failure as at its first item.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from heapq import merge
from operator import itemgetter
from typing import Any

import asyncpg

from backfilld.domain.unreadable import UnreadableRow, each, made
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger.entries import LedgerEntry, OtherEntry, PlanRow, RetryClass, TryEntry
from backfilld.store.ledger.plan_pages import PlanPages

UNTOUCHED = frozenset({"pending"})
ON_THEIR_WAY = frozenset({"in_flight", "retrying"})
FAILED = frozenset({"failed"})
ENDED = FAILED | {"succeeded", "skipped", "cancelled"}
EVERY = UNTOUCHED | ON_THEIR_WAY | ENDED
POSITIONS_AT_ONCE = 1_000

_sql = load("ledger.pages")
OUTCOMES_LOOKED_AT, FEWEST_OUTCOMES = 1_000, 20  # to tell what is usual
BACKFILLS_LOOKED_AT, MOST_ELSEWHERE = 200, 20  # where an entity is looked for besides


class LedgerPages:
    """Pages in plan order. `in_flight` are the positions that the owner is working on, as far as they are known."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._plan = PlanPages(pool)

    async def list_page(
        self,
        backfill_number: int,
        *,
        statuses: Collection[str] = (),
        error_class: str | None = None,
        error_group: bytes | None = None,
        behind: int = -1,
        limit: int,
        in_flight: Collection[int] = (),
    ) -> list[LedgerEntry]:
        """At most `limit` entries behind position `behind`, in one of `statuses` (empty: any) and of `error_class`.

        `error_group`: only failures with that fingerprint.
        """
        wanted = frozenset(statuses) or EVERY
        if error_class is not None:
            wanted &= FAILED | ON_THEIR_WAY  # nothing else has an error class
        if error_group is not None:
            wanted &= FAILED
        if wanted == EVERY:
            rows = await self._pool.fetch(_sql.list_items, backfill_number, behind, limit, list(in_flight))
            return each(rows, _entry)
        # in the order in which items move on, each counted before it is looked for: whatever moves between two looks is
        # found by the second, or by both
        found: dict[int, LedgerEntry] = {}
        if wanted & UNTOUCHED and (counted := await self._counters(backfill_number))["pending"]:
            first = max(behind + 1, counted["low_water_mark"])
            found |= _by_position(await self._list_pending(backfill_number, first, limit, in_flight))
        moving = list(wanted & ON_THEIR_WAY)
        if moving and (in_flight or (await self._counters(backfill_number))["retrying"]):
            query, moved = _sql.list_at, list(in_flight)
            rows = await self._pool.fetch(query, backfill_number, behind, limit, moving, error_class, moved)
            found |= _by_position(each(rows, _entry))
        if ended := wanted & ENDED:
            counted, place = await self._counters(backfill_number), (backfill_number, behind, limit)
            if "cancelled" in ended and counted["rest_cancelled_at"] is not None:
                found |= _by_position(await self._list_rest(backfill_number, behind, limit, counted))
            for status in sorted(status for status in ended if counted[status]):
                found |= _by_position(each(await self._list_ended(place, status, error_class, error_group), _entry))
        return [found[position] for position in sorted(found)[:limit]]

    async def _counters(self, backfill_number: int) -> Mapping[str, Any]:
        row = await self._pool.fetchrow(_sql.find_counters, backfill_number)
        return dict(row) if row is not None else dict.fromkeys(("low_water_mark", *EVERY), 0)

    async def _list_ended(
        self, place: tuple[int, int, int], status: str, error_class: str | None, error_group: bytes | None
    ) -> list[asyncpg.Record]:
        """`place`: the backfill, behind which position, and how many."""
        if status == "succeeded":
            return await self._pool.fetch(_sql.list_succeeded, *place)
        if status != "failed":
            return await self._pool.fetch(_sql.list_unusual, *place, status)
        if error_group is not None:
            return await self._pool.fetch(_sql.list_failed_of_group, *place, error_group, error_class)
        if error_class is not None:
            return await self._pool.fetch(_sql.list_failed_of_class, *place, error_class)
        return await self._pool.fetch(_sql.list_failed, *place)

    async def _list_rest(
        self, backfill_number: int, behind: int, limit: int, counted: Mapping[str, Any]
    ) -> list[LedgerEntry]:
        """What was cancelled without a row that says so."""
        first = max(behind + 1, counted["low_water_mark"])
        rest = await self._list_pending(backfill_number, first, limit, ())
        return [replace(entry, status="cancelled", finished_at=counted["rest_cancelled_at"]) for entry in rest]

    async def _list_pending(
        self, backfill_number: int, first: int, limit: int, in_flight: Collection[int]
    ) -> list[LedgerEntry]:
        """What nobody has touched, from position `first` on: no outcome, no retry, and not on its way."""
        since: int | None = first
        found: list[LedgerEntry] = []
        while since is not None and len(found) < limit:
            page = await self._plan.read(backfill_number, since=since, most=POSITIONS_AT_ONCE)
            found += [_pending(row) for row in page.rows if row.position not in in_flight]
            since = page.goes_on_at
        return found[:limit]

    async def find(
        self, backfill_number: int, entity_id: str, *, in_flight: Collection[int] = ()
    ) -> LedgerEntry | None:
        """The entry of one entity to be shown, without its tries; None if the plan does not hold it."""
        row = await self._pool.fetchrow(_sql.find_item, backfill_number, entity_id, list(in_flight))
        return made(row, _entry) if row else None

    async def find_attributes(self, backfill_number: int, position: int) -> dict[str, Any]:
        """What the plan keeps of an entity: nothing where its source can be read again."""
        kept = await self._pool.fetchval(_sql.find_attributes, backfill_number, position)
        found: dict[str, Any] = json.loads(kept or "{}")
        return found

    async def with_tries(self, backfill_number: int, entry: LedgerEntry) -> LedgerEntry:
        """The same entry with every try that has ended, the final one included."""
        if isinstance(entry, UnreadableRow):
            return entry
        rows = await self._pool.fetch(_sql.list_tries, backfill_number, entry.position)
        tries = each(rows, lambda row: TryEntry(**dict(row)))
        ended_by_a_try = entry.status in ("succeeded", "failed", "skipped") and entry.started_at is not None
        if ended_by_a_try and all(made.attempt != entry.attempts for made in tries):
            tries.append(_final_try(entry))
        return replace(entry, tries=tuple(tries))

    async def find_usual_seconds(self, backfill_number: int, before: int) -> float | None:
        """No more than so long took 19 of 20 items of late, of those before a position; None of too few to tell."""
        found: float | None = await self._pool.fetchval(
            _sql.find_usual_seconds, backfill_number, before, OUTCOMES_LOOKED_AT, FEWEST_OUTCOMES
        )
        return found

    async def list_elsewhere(self, backfill_number: int, entity_id: str) -> tuple[OtherEntry, ...]:
        """The same entity in other backfills of the workflow, newest first."""
        rows = await self._pool.fetch(
            _sql.list_elsewhere, backfill_number, entity_id, BACKFILLS_LOOKED_AT, MOST_ELSEWHERE
        )
        return tuple(OtherEntry(**dict(row)) for row in rows)

    async def list_ended_ids(
        self,
        backfill_number: int,
        *,
        statuses: Sequence[str] = ("failed",),
        error_class: str | None = None,
        error_group: bytes | None = None,
        among: Sequence[str] | None = None,
    ) -> list[str]:
        """The entities that ended so, in plan order; only those of class and group, and only those in `among`."""
        if among is not None:
            wanted = list(dict.fromkeys(among))
            rows = await self._pool.fetch(
                _sql.list_ended_among, backfill_number, error_class, wanted, list(statuses), error_group
            )
            return [row["entity_id"] for row in rows]
        if error_class is not None or error_group is not None:
            statuses = [status for status in statuses if status in FAILED]  # nothing else has a class
        lists = [await self._list_ids(backfill_number, each, error_class, error_group) for each in set(statuses)]
        if "cancelled" in statuses:
            lists.append(await self._pool.fetch(_sql.list_rest_ids, backfill_number))
        return [row["entity_id"] for row in merge(*lists, key=itemgetter("position"))]

    async def _list_ids(
        self, backfill_number: int, status: str, error_class: str | None, error_group: bytes | None
    ) -> list[asyncpg.Record]:
        if status == "succeeded":
            return await self._pool.fetch(_sql.list_succeeded_ids, backfill_number)
        if status != "failed":
            return await self._pool.fetch(_sql.list_unusual_ids, backfill_number, status)
        if error_group is not None:
            return await self._pool.fetch(_sql.list_failed_ids_of_group, backfill_number, error_group, error_class)
        if error_class is not None:
            return await self._pool.fetch(_sql.list_failed_ids_of_class, backfill_number, error_class)
        return await self._pool.fetch(_sql.list_failed_ids, backfill_number)

    async def count_failed(
        self, backfill_number: int, error_class: str | None, error_group: bytes | None = None
    ) -> int:
        """How many entities failed finally in that way."""
        if error_group is not None:
            found = await self._pool.fetchval(_sql.count_failed_of_group, backfill_number, error_group, error_class)
        elif error_class is not None:
            found = await self._pool.fetchval(_sql.count_failed_of_class, backfill_number, error_class)
        else:
            found = await self._pool.fetchval(_sql.count_failed, backfill_number)
        return int(found or 0)

    async def list_error_classes(self, backfill_number: int, *, limit: int = 20) -> list[str]:
        """The classes of final failures, by name."""
        return [row["error_class"] for row in await self._pool.fetch(_sql.list_error_classes, backfill_number, limit)]

    async def list_retry_classes(self, backfill_number: int, *, limit: int) -> list[RetryClass]:
        """How what waits for another try failed, the commonest first."""
        return [
            RetryClass(**dict(row)) for row in await self._pool.fetch(_sql.list_retry_classes, backfill_number, limit)
        ]

    async def list_planned_among(self, backfill_number: int, ids: Sequence[str]) -> frozenset[str]:
        """Which of `ids` the plan holds."""
        return frozenset(
            row["entity_id"] for row in await self._pool.fetch(_sql.list_planned_ids, backfill_number, ids)
        )

    async def count_run_before(self, workflow_id: int, entity_type: str, ids: Sequence[str] | None) -> dict[str, int]:
        """How many of `ids` (None: of all) the workflow has run before, by how they ended last."""
        if ids is None:
            rows = await self._pool.fetch(_sql.count_run_at_all, workflow_id, entity_type)
        else:
            rows = await self._pool.fetch(_sql.count_run_before, workflow_id, entity_type, ids)
        return {row["status"]: row["entities"] for row in rows}


def _by_position(entries: Iterable[LedgerEntry]) -> dict[int, LedgerEntry]:
    return {entry.position: entry for entry in entries}


def _pending(row: PlanRow) -> LedgerEntry:
    values: dict[str, Any] = {field.name: None for field in fields(LedgerEntry) if field.default is MISSING}
    values |= {"position": row.position, "entity_id": row.entity_id, "status": "pending", "attempts": 0}
    return LedgerEntry(**values)


def _entry(row: asyncpg.Record) -> LedgerEntry:
    values = dict(row)
    if values["result"] is not None:
        values["result"] = json.loads(values["result"])
    return LedgerEntry(**values)


def _final_try(entry: LedgerEntry) -> TryEntry:
    return TryEntry(
        max(1, entry.attempts), entry.started_at, entry.finished_at, entry.error_class, entry.error, entry.http_status
    )
