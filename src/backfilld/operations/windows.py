"""What windows come to: the answer to "when would this run?", without any backfill."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.domain.errors import Fault, Invalid
from backfilld.domain.instants import bounded
from backfilld.domain.windows.openings import HORIZON, Calendar, Opening, WindowState

MOST_DAYS = 400


@dataclass(frozen=True, slots=True)
class WindowsPreview:
    """`intervals` lie within the days that were asked for; `state` looks beyond them."""

    state: WindowState
    effective: Mapping[str, list[dict[str, str]]]
    intervals: list[Opening]
    notes: list[str]
    warnings: list[str]


def preview(calendar: Calendar, *, at: datetime, days: int) -> WindowsPreview:
    """When `calendar` is open in the `days` times 24 hours from `at` on. Invalid if `at` may not come in."""
    if isinstance(fault := bounded(at, "/at"), Fault):
        raise Invalid([fault])
    until = at + timedelta(days=days)
    state = calendar.state(at)
    never = not state.open and state.next_open_at is None
    return WindowsPreview(
        state,
        calendar.windows.effective(),
        calendar.intervals(at, until),
        calendar.notes(at, until),
        [f"these windows do not open within {HORIZON.days} days"] if never else [],
    )
