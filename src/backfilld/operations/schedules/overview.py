"""All schedules at one look: what failed last first; and one schedule with its slots and sessions."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import dropwhile, islice
from typing import Final, Literal, get_args
from uuid import UUID

from backfilld.clock import Clock
from backfilld.domain.schedules import Slot
from backfilld.domain.sessions.records import Attempt, StoredSchedule
from backfilld.domain.unreadable import UnreadableRow
from backfilld.store.connection.pool import Pool
from backfilld.store.sessions.overview import OverviewStore
from backfilld.store.sessions.overview import SessionMark as SessionMark

State = Literal["attention", "on", "off", "finished"]
Outcome = Literal["success", "error", "killed", "unfinished"]
STATES: Final[tuple[State, ...]] = get_args(State)  # in the order in which they are shown
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
MOST_MISSED = 1_000
MOST_LOOKED_AT = 5_000  # sessions, where only those of one outcome are wanted
COMING = 3
REMEMBERED = 500  # walks along calendars
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ScheduleSeen:
    """One of the list: what comes next, and how its newest sessions stand, newest first.

    `problem` tells why what comes is not known: this version cannot read the definition.
    """

    stored: StoredSchedule
    coming: Sequence[Slot]
    recent: Sequence[SessionMark]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SchedulesOf:
    """Those of one state. `more`: there are others behind them."""

    state: State
    seen: Sequence[ScheduleSeen | UnreadableRow]
    more: bool


@dataclass(frozen=True, slots=True)
class SchedulesPage:
    """What there is, and how many of each state in all."""

    counts: Mapping[State, int]
    groups: Sequence[SchedulesOf]


class ScheduleOverview:
    """Looks, and changes nothing."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._store = OverviewStore(pool)
        self._clock = clock
        # a page that is watched is drawn each second, and a walk along a calendar may take a second
        self._ahead = lru_cache(REMEMBERED)(_slots_ahead)
        self._behind = lru_cache(REMEMBERED)(_slots_behind)

    async def list_page(
        self,
        *,
        text: str | None = None,
        project: str | None = None,
        state: State | None = None,
        behind: int | None = None,
        limit: int,
        recent: int,
    ) -> SchedulesPage:
        """All states, or one, with at most `limit` schedules; `recent` sessions of each."""
        found = await self._store.list_page(text=text, project=project, state=state, behind=behind, limit=limit + 1)
        by_state: dict[str, list[StoredSchedule | UnreadableRow]] = {one: [] for one in STATES}
        for row_state, stored in found.rows:
            by_state[row_state].append(stored)
        shares = _shares({one: len(by_state[one]) for one in STATES}, limit)
        shown = [one for state in STATES for one in by_state[state][: shares[state]]]
        marks = await self._store.recent([one.workflow_id for one in shown], recent)
        groups = [
            SchedulesOf(
                one, [self._seen(row, marks) for row in by_state[one][: shares[one]]], len(by_state[one]) > shares[one]
            )
            for one in STATES
            if by_state[one]
        ]
        return SchedulesPage({one: found.counts.get(one, 0) for one in STATES}, groups)

    def _seen(
        self, row: StoredSchedule | UnreadableRow, marks: Mapping[int, Sequence[SessionMark]]
    ) -> ScheduleSeen | UnreadableRow:
        if isinstance(row, UnreadableRow):
            return row
        recent = marks.get(row.workflow_id, ())
        try:
            return ScheduleSeen(row, self.coming(row, COMING), recent)
        except ValueError as problem:
            return ScheduleSeen(row, (), recent, str(problem))

    async def slots(self, stored: StoredSchedule, count: int) -> list[tuple[Slot, SessionMark | None]]:
        """The last `count` slots before the one at which the schedule stands, oldest first, each with its session.

        They begin with the first that had a session, or came after the schedule was made. Slots that lie in the future,
        where somebody has skipped ahead, are among them. ValueError for a definition that this version cannot read.
        """
        slots = await asyncio.to_thread(self._behind, _Place.of(stored), count)
        if not slots:
            return []
        marks = await self._store.between(stored.workflow_id, slots[0].session_time, slots[-1].session_time)
        by_time = {mark.session_time: mark for mark in marks}
        found = ((slot, by_time.get(slot.session_time)) for slot in slots)
        return list(dropwhile(lambda one: one[1] is None and one[0].run_time < stored.created_at, found))

    def coming(self, stored: StoredSchedule, count: int) -> list[Slot]:
        """The next slots, from where the schedule stands; the first runs when the schedule says. ValueError."""
        slots = self._ahead(_Place.of(stored), count)
        return [Slot(slots[0].session_time, stored.next_run_at), *slots[1:]] if slots else []

    async def missed(self, stored: StoredSchedule) -> int:
        """How many slots should have run by now, from where the schedule stands; at most `MOST_MISSED`. ValueError."""
        now = self._clock.now()
        if stored.next_run_at > now:
            return 0
        slots = await asyncio.to_thread(self._ahead, _Place.of(stored), MOST_MISSED)
        return sum(slot.run_time <= now for slot in slots)

    async def newest(self, workflow_id: int) -> SessionMark | None:
        """How the session of the latest time stands; None: there is none."""
        return next(iter((await self._store.recent([workflow_id], 1))[workflow_id]), None)

    async def sessions(
        self, workflow_id: int, *, before: datetime | None = None, outcome: Outcome | None = None, limit: int
    ) -> list[Attempt]:
        """The last attempts of a workflow's sessions, newest session time first; of one outcome only those among the
        newest `MOST_LOOKED_AT`."""
        looked_at = MOST_LOOKED_AT if outcome else limit
        return await self._store.newest(workflow_id, before=before, state=outcome, looked_at=looked_at, limit=limit)

    async def schedule_of(self, workflow_id: int) -> int | None:
        """The id of the schedule that a workflow has; None: it has none (any more)."""
        return await self._store.schedule_of(workflow_id)

    async def backfills(self, attempts: Collection[Attempt]) -> dict[int, tuple[UUID, str | None]]:
        """By number: the ids and names of the backfills that have made them, as far as those are still there."""
        return await self._store.backfills({one.backfill_number for one in attempts if one.backfill_number is not None})

    async def names(self, attempts: Collection[Attempt]) -> dict[str, str]:
        """What the keys are called that have made them."""
        return await self._store.names({one.created_by for one in attempts})


def _shares(found: Mapping[State, int], most: int) -> dict[State, int]:
    """How many of each state a page has room for: an equal part each; what some leave the first take that have more."""
    shares = {state: min(count, most // len(found)) for state, count in found.items()}
    for state, count in found.items():
        shares[state] += min(count - shares[state], most - sum(shares.values()))
    return shares


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a schedule stands, and by which definition, of which there is one to each id."""

    revision_id: int
    next_session_at: datetime
    stored: StoredSchedule = field(compare=False)

    @staticmethod
    def of(stored: StoredSchedule) -> "_Place":
        return _Place(stored.revision_id, stored.next_session_at, stored)


def _slots_ahead(place: _Place, count: int) -> Sequence[Slot]:
    schedule = place.stored.schedule()
    return tuple(islice(schedule.since(schedule.next(place.next_session_at - _SECOND)), count))


def _slots_behind(place: _Place, count: int) -> Sequence[Slot]:
    schedule, at = place.stored.schedule(), place.next_session_at
    slots: list[Slot] = []
    while len(slots) < count and (slot := schedule.previous(at)) is not None:
        slots.append(slot)
        at = slot.session_time
    return tuple(slots[::-1])
