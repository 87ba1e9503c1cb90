"""Other settings for a backfill on its way: all that was asked for, or nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from backfilld.clock import Clock
from backfilld.crash_points import Point
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfill_settings import FailurePolicy
from backfilld.domain.backfills.rechecking import recheck_fault
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.calendars import UnreadableWindows, calendar_of
from backfilld.domain.changes import changed
from backfilld.domain.errors import Fault, VersionMismatch
from backfilld.operations.backfills.check import Checked, opening_warnings
from backfilld.operations.backfills.view import BackfillView
from backfilld.operations.steering.alter import Alteration, Altering, Verb, require_changeable
from backfilld.sources.registry import SourceRegistry

EDIT = Verb("backfill.change", Point.EDIT_BEFORE_COMMIT, Point.EDIT_AFTER_COMMIT, Point.EDIT_CONFIRMED)


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

    def __init__(self, altering: Altering, sources: SourceRegistry, clock: Clock) -> None:
        self._altering = altering
        self._sources = sources
        self._clock = clock

    async def edit(
        self, actor: Actor, id: UUID, change: Change, *, versions: frozenset[int] | None = None, why: str | None = None
    ) -> Edited:
        """Every start after the answer obeys the new settings; what is in flight goes on.

        `versions`: only if it has one of these. NotFound; Invalid with all faults; CannotBeChanged; ChangedMeanwhile;
        Unavailable `not_confirmed` if its owner does not confirm it, though it is written down.
        """
        hours_change = False

        def decide(present: Backfill) -> Alteration | None:
            nonlocal hours_change
            values, faults = self._with_recheck(present, change.values)
            wanted = changed(present, values)
            change.checked.require([*wanted.faults, *faults])
            require_changeable(present)
            if versions is not None and present.version not in versions:
                raise _OtherVersion
            differences = wanted.differs_from(present.settings)
            hours_change = wanted.settings.hours != present.settings.hours
            old = {name: _told(before) for name, (before, _) in differences.items()}
            new = {name: _told(after) for name, (_, after) in differences.items()}
            return Alteration(wanted.settings, present.override_until, old, new) if differences else None

        try:
            after = await self._altering.alter(actor, id, EDIT, why, decide)
        except _OtherVersion:
            raise ChangedMeanwhile(await self._altering.view(id)) from None
        about = self._about_openings(after) if hours_change else []
        return Edited(await self._altering.view(id), (*change.checked.warnings, *about))

    def _with_recheck(self, present: Backfill, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Fault]]:
        """The values with the usual `recheck` of the type in place of null, and what is wrong with one that is sent."""
        if "recheck" not in values:
            return values, []
        entity_type, is_rerun = present.settings.entity_type, present.parent_number is not None
        if values["recheck"] is None:
            usual = entity_type is not None and not is_rerun and self._sources.rechecks(entity_type)
            return {**values, "recheck": usual}, []
        if not values["recheck"]:
            return values, []
        reads_again = entity_type is not None and self._sources.reads_again(entity_type)
        fault = recheck_fault(entity_type, reads_again=reads_again, is_rerun=is_rerun)
        return values, [] if fault is None else [fault]

    def _about_openings(self, backfill: Backfill) -> list[str]:
        try:
            calendar = calendar_of(backfill)
        except UnreadableWindows as problem:
            return [str(problem)]
        return [] if calendar is None else opening_warnings(calendar, self._clock.now())


def _told(value: Any) -> Any:
    """A setting as the audit log keeps it."""
    if isinstance(value, FailurePolicy):
        return asdict(value)
    return sorted(day.isoformat() for day in value if isinstance(day, date)) if isinstance(value, frozenset) else value
