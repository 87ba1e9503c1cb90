"""Changing the settings of a backfill on its way: all that was asked for, or nothing.

The row is locked, looked at, and changed together with who did it; so of two people that change it at once the second
is told what the first has made of it. Then whoever runs the backfill has to say that he obeys the new settings, and
only then is the caller answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.calendars import UnreadableWindows, calendar_of
from backfilld.domain.callers import Actor
from backfilld.domain.changes import UNCHANGEABLE, Changed, changed, goes_on
from backfilld.domain.errors import Conflict, NotFound, VersionMismatch
from backfilld.engine.control import Control
from backfilld.events import BackfillChanged, Bus
from backfilld.operations.backfills.check import Checked, opening_warnings
from backfilld.operations.backfills.view import BackfillView, Viewer
from backfilld.store.admin import audit
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Connection, Pool


class CannotBeChanged(Conflict):
    """It has ended, or is about to."""

    code = "illegal_transition"

    def __init__(self, backfill: Backfill) -> None:
        message = f"backfill {backfill.id} is {backfill.status}; its settings cannot be changed any more"
        super().__init__(message, details={"status": backfill.status.value})


class ChangedMeanwhile(VersionMismatch):
    """It has another version than the caller knows; `present` is how it stands now."""

    def __init__(self, present: BackfillView) -> None:
        version = present.backfill.version
        super().__init__(f"backfill {present.backfill.id} has version {version} by now; look at it, and ask again")
        self.present = present


class _OtherVersion(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants to be different.

    `values` are valid by themselves, by the names of the settings; None restores the default. `checked` says what its
    windows and zone come to, and what is wrong with the rest of what was sent.
    """

    values: Mapping[str, Any]
    checked: Checked


@dataclass(frozen=True, slots=True)
class Edited:
    """How it stands now, and what is worth saying about it."""

    view: BackfillView
    warnings: tuple[str, ...]


class Editor:
    """Changes settings."""

    def __init__(
        self, pool: Pool, store: BackfillStore, viewer: Viewer, control: Control, clock: Clock, bus: Bus
    ) -> None:
        self._pool = pool
        self._store = store
        self._viewer = viewer
        self._control = control
        self._clock = clock
        self._bus = bus

    async def edit(
        self, actor: Actor, id: UUID, change: Change, *, versions: frozenset[int] | None = None, why: str | None = None
    ) -> Edited:
        """Every start after the answer obeys the new settings; what is in flight goes on.

        `versions`: only if it has one of these. NotFound; Invalid with all faults; CannotBeChanged; ChangedMeanwhile;
        Unavailable `not_confirmed` if its owner does not confirm it, though it is written down.
        """
        backfill = await self._store.get(id)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                after, told = await self._edit(connection, actor, backfill.number, change, versions, why)
        except _OtherVersion:
            raise ChangedMeanwhile(await self._view(id)) from None
        if told:
            reached(Point.EDIT_AFTER_COMMIT)
            self._bus.tell(BackfillChanged(after.id, after.workflow_name, ", ".join(told), actor.identity))
        await self._control.confirm(after.number, after.version)
        reached(Point.EDIT_CONFIRMED)
        return Edited(await self._view(id), tuple(change.checked.warnings + self._about_openings(after, told)))

    async def _edit(
        self,
        connection: Connection,
        actor: Actor,
        number: int,
        change: Change,
        versions: frozenset[int] | None,
        why: str | None,
    ) -> tuple[Backfill, tuple[str, ...]]:
        """The backfill as it is now, and which of its settings were changed."""
        present = await self._store.lock(number, on=connection)
        if present is None:
            raise NotFound("the backfill was deleted in this moment")
        wanted = changed(present, change.values)
        change.checked.require(wanted.faults)
        if present.status in UNCHANGEABLE:
            raise CannotBeChanged(present)
        if versions is not None and present.version not in versions:
            raise _OtherVersion
        if not (differences := wanted.differs_from(present.settings)):
            return present, ()
        now = self._clock.now()
        after = await self._write(connection, present, wanted, now)
        old = {name: _told(before) for name, (before, _) in differences.items()} | _standing(present, after)
        new = {name: _told(value) for name, (_, value) in differences.items()} | _standing(after, present)
        await audit.record_on(connection, actor, "backfill.change", present, at=now, reason=why, old=old, new=new)
        reached(Point.EDIT_BEFORE_COMMIT)
        return after, tuple(differences)

    async def _write(self, connection: Connection, present: Backfill, wanted: Changed, now: datetime) -> Backfill:
        after = await self._store.change(present.number, wanted.settings, at=now, on=connection)
        if wanted.settings.hours == present.settings.hours or (following := goes_on(after, now)) is None:
            return after
        moved = await self._store.move(
            after.number,
            following.status,
            reason=following.reason,
            at=now,
            expected={after.status},
            wake_at=following.wake_at,
            on=connection,
        )
        return moved or after

    def _about_openings(self, backfill: Backfill, told: tuple[str, ...]) -> list[str]:
        if not {"daily_execution_windows", "timezone", "excluded_dates"} & set(told):
            return []
        try:
            calendar = calendar_of(backfill)
        except UnreadableWindows as problem:
            return [str(problem)]
        return [] if calendar is None else opening_warnings(calendar, self._clock.now())

    async def _view(self, id: UUID) -> BackfillView:
        return self._viewer.view(*await self._store.get_with_progress(id))


def _standing(backfill: Backfill, other: Backfill) -> dict[str, Any]:
    """Where it stands, for the audit log; nothing, if that is where it stands otherwise, too."""
    told = audit.standing_of(backfill)
    return {} if told == audit.standing_of(other) else told


def _told(value: Any) -> Any:
    """A setting as the audit log keeps it."""
    return sorted(day.isoformat() for day in value if isinstance(day, date)) if isinstance(value, frozenset) else value
