"""Changing a backfill on its way, so that every start after the answer obeys.

The row is locked, looked at, and changed together with who did it and why; so of two people that change it at once the
second sees what the first has made of it. Then whoever runs the backfill has to say that he obeys, and only then is
the caller answered.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.domain.changes import UNCHANGEABLE, goes_on
from backfilld.domain.errors import Conflict, NotFound
from backfilld.engine.control import Control
from backfilld.events import BackfillChanged
from backfilld.operations.backfills.view import BackfillView, Viewer
from backfilld.store.admin import audit
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Connection, Pool

Values = Mapping[str, Any]
HOURS: Final = frozenset({"daily_execution_windows", "timezone", "excluded_dates", "override_until"})


class CannotBeChanged(Conflict):
    """It has ended, or is about to."""

    code = "illegal_transition"

    def __init__(self, backfill: Backfill) -> None:
        message = f"backfill {backfill.id} is {backfill.status}; it cannot be changed any more"
        super().__init__(message, details={"status": backfill.status.value})


def require_changeable(backfill: Backfill) -> None:
    """CannotBeChanged."""
    if backfill.status in UNCHANGEABLE:
        raise CannotBeChanged(backfill)


@dataclass(frozen=True, slots=True)
class Alteration:
    """What a backfill is to be; `old` and `new` are the values that differ, as the audit log keeps them, a row each."""

    settings: BackfillSettings
    override_until: datetime | None
    old: Mapping[str, Any]
    new: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verb:
    """What is done: as the audit log calls it, and where one may die over it."""

    action: str
    before_commit: Point
    after_commit: Point
    confirmed: Point


Decide = Callable[[Backfill], Alteration | None]  # of it as it is now; None: there is nothing to do


class Altering:
    """Changes backfills as it is told to."""

    def __init__(
        self, pool: Pool, store: BackfillStore, viewer: Viewer, control: Control, clock: Clock, bus: Bus
    ) -> None:
        self._pool = pool
        self._store = store
        self._viewer = viewer
        self._control = control
        self._clock = clock
        self._bus = bus

    async def alter(self, actor: Actor, id: UUID, verb: Verb, why: str | None, decide: Decide) -> Backfill:
        """As it is now, in force. NotFound; whatever `decide` raises; Unavailable `not_confirmed`, though stored."""
        number = (await self._store.get(id)).number
        async with self._pool.acquire() as connection, connection.transaction():
            present = await self._store.lock(number, on=connection)
            if present is None:
                raise NotFound(f"there is no backfill {id}")
            after, alteration = present, decide(present)
            if alteration is not None:
                after = await self._write(connection, actor, present, alteration, verb, why)
                reached(verb.before_commit)
        if alteration is not None:
            reached(verb.after_commit)
            told = ", ".join(name for name in alteration.new)
            self._bus.tell(BackfillChanged(after.id, after.workflow_name, told, actor.identity))
        await self._control.confirm(after.number, after.version)
        reached(verb.confirmed)
        return after

    async def view(self, id: UUID) -> BackfillView:
        """How it stands now."""
        return await self._viewer.see(*await self._store.get_with_progress(id))

    async def _write(
        self, on: Connection, actor: Actor, present: Backfill, alteration: Alteration, verb: Verb, why: str | None
    ) -> Backfill:
        now = self._clock.now()
        after = await self._store.change(
            present.number, alteration.settings, override_until=alteration.override_until, at=now, on=on
        )
        if after.hours != present.hours and (following := goes_on(after, now)) is not None:
            if following.status is Status.RUNNING:
                self._control.expect_opening(present.number)
            moved = await self._store.move(
                after.number,
                following.status,
                reason=following.reason,
                at=now,
                expected={after.status},
                wake_at=following.wake_at,
                on=on,
            )
            after = moved or after
        for old, new in _rows(alteration, audit.standing_of(present), audit.standing_of(after)):
            await audit.record_on(on, actor, verb.action, present, at=now, reason=why, old=old, new=new)
        return after


def _rows(alteration: Alteration, stood: Values, stands: Values) -> Iterator[tuple[Values, Values]]:
    """Old and new of each value by itself. Where it stands follows from its hours, so it is told beside these."""
    moving = next((name for name in alteration.new if name in HOURS), None) if stood != stands else None
    for name, value in alteration.new.items():
        moves = name == moving
        yield {name: alteration.old[name], **(stood if moves else {})}, {name: value, **(stands if moves else {})}
