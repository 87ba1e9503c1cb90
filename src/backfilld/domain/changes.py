"""What becomes of a backfill that goes on after a pause, or whose settings are changed on its way.

Which settings may be changed is said by the body of the request. Here is what each goes back to, what may not be
changed of which kind, and where a backfill goes on that waited for its windows when these are others now.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from backfilld.domain.backfill_settings import (
    DEFAULT_ZONE,
    BackfillSettings,
    FailurePolicy,
    usual_attempts,
    usual_zone,
)
from backfilld.domain.backfills.holding import Onwards, onwards
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, ReasonCode, Status
from backfilld.domain.calendars import UnreadableWindows, calendar_of
from backfilld.domain.errors import Fault, pointer

UNCHANGEABLE: Final = ENDED | {Status.CANCELLING}
OF_WINDOWS: Final = frozenset({ReasonCode.OUTSIDE_WINDOW, ReasonCode.NEVER_OPENS})
_NONE: Final = object()  # there is no default
# Of all others the default is that of the record.
_DEFAULTS: Final[Mapping[str, Callable[[Backfill], Any]]] = {
    "max_in_flight": lambda _: _NONE,
    "daily_execution_windows": lambda backfill: None if backfill.is_schedule else _NONE,
    "timezone": lambda backfill: usual_zone(backfill.definition) if backfill.is_schedule else DEFAULT_ZONE,
    "max_attempts": lambda backfill: usual_attempts(backfill.definition),
    "failure_policy": lambda backfill: None if backfill.is_schedule else FailurePolicy(),
}


@dataclass(frozen=True, slots=True)
class Changed:
    """`settings` as they are to be; of no use if there are `faults`."""

    settings: BackfillSettings
    faults: list[Fault]

    def differs_from(self, present: BackfillSettings) -> dict[str, tuple[Any, Any]]:
        """What is old and new, by name, of each setting that is another one."""
        both = ((name, getattr(present, name), getattr(self.settings, name)) for name in present.__slots__)
        return {name: (old, new) for name, old, new in both if old != new}


def changed(backfill: Backfill, values: Mapping[str, Any]) -> Changed:
    """The settings with `values`, which are valid by themselves, by their names; None is the default of each."""
    faults: list[Fault] = []
    new: dict[str, Any] = {}
    for name, value in values.items():
        wanted = _default(backfill, name) if value is None else value
        if wanted is _NONE:
            faults.append(Fault(pointer(name), "no_default", "has no default that null could restore; send a value"))
        else:
            new[name] = wanted
    before, after = backfill.settings.max_in_flight, new.get("max_in_flight", backfill.settings.max_in_flight)
    if backfill.is_schedule and before != after and 1 in (before, after):
        message = (
            "1 is a serial chain, whose sessions wait for each other: a backfill is made as one, or not;"
            f" this one has {before}"
        )
        faults.append(Fault("/max_in_flight", "serial_chain", message))
    return Changed(replace(backfill.settings, **new), faults)


def _default(backfill: Backfill, name: str) -> Any:
    if name in _DEFAULTS:
        return _DEFAULTS[name](backfill)
    return BackfillSettings.default(name)


def resumed(backfill: Backfill, now: datetime) -> Onwards:
    """Where a paused one goes on."""
    try:
        calendar = calendar_of(backfill)
    except UnreadableWindows:  # the engine ends it, and says why
        calendar = None
    return onwards(calendar, now, planned_at=backfill.planned_at)


def goes_on(backfill: Backfill, now: datetime) -> Onwards | None:
    """Where one stands whose hours have just been changed; None: as it stood, or its owner sees to that."""
    waited = backfill.reason is not None and backfill.reason.code in OF_WINDOWS
    if backfill.status is Status.PLANNING and waited:
        return Onwards(Status.PLANNING, None, now)
    if backfill.status is not Status.WAITING:
        return None
    try:
        following = onwards(calendar_of(backfill), now, planned_at=backfill.planned_at)
    except UnreadableWindows:  # the engine ends it, and says why
        return Onwards(Status.WAITING, backfill.reason, now)
    if following.reason is not None:
        return replace(following, reason=following.reason.lasting(backfill.reason))
    return following if waited else None
