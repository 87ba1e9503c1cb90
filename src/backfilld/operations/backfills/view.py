"""A backfill as people see it: settings, counters and what can be reckoned from them, of one moment."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.progress import Counts, counts, finish_at
from backfilld.domain.backfills.records import Backfill, Progress
from backfilld.domain.backfills.states import ENDED, STARTABLE, ReasonCode, Status
from backfilld.domain.calendars import UnreadableWindows, calendar_of, shown_zone
from backfilld.domain.windows.openings import Calendar, WindowState
from backfilld.engine.control import Control, Live

log = logging.getLogger(__name__)

# Nothing starts, and nobody can tell until when: a pace of before, or an end reckoned by it, would be made up.
NO_PACE = frozenset(ReasonCode) - {
    ReasonCode.OUTSIDE_WINDOW,
    ReasonCode.WAITING_FOR_RETRY,
    ReasonCode.RATE_LIMITED,
    ReasonCode.WAITING_FOR_CAPACITY,
    ReasonCode.RECOVERING,
}
HELD_BY_STOP = STARTABLE | {Status.PLANNING}
ALWAYS_OPEN = WindowState(True, None, None)
CANNOT_BE_TOLD = WindowState(False, None, None)


@dataclass(frozen=True, slots=True)
class BackfillView:
    """Everything that an answer tells of a backfill. `counts` always add up; `planned` says whether they are final.

    `effective_windows` is None where there are none, which means always open, or where they cannot be read.
    `throughput_per_minute` is the pace of late (of the end, if it has ended); None if nothing has run yet, or nothing
    starts and nobody can tell until when.
    """

    backfill: Backfill
    counts: Counts
    planned: bool
    reason: Reason | None
    window: WindowState
    effective_windows: Mapping[str, Any] | None
    throughput_per_minute: float | None
    estimated_completion_at: datetime | None
    progress: Progress

    @property
    def number(self) -> int:
        return self.backfill.number

    @property
    def has_ended(self) -> bool:
        return self.backfill.status in ENDED


class Viewer:
    """Makes views. What the runner in this process knows wins over what it last wrote down."""

    def __init__(self, control: Control, clock: Clock) -> None:
        self._control = control
        self._clock = clock

    def view(self, backfill: Backfill, progress: Progress) -> BackfillView:
        """How the backfill stands now. What cannot be reckoned is left out, and hides nothing else."""
        live = None if backfill.status in ENDED else self._control.live(backfill.number)
        found = _counts(progress, live, has_ended=backfill.status in ENDED)
        try:
            return self._view(backfill, progress, live, found)
        except Exception:
            log.exception("when backfill %s is open, or ends, cannot be told", backfill.id)
            planned = backfill.planned_at is not None
            return BackfillView(backfill, found, planned, backfill.reason, CANNOT_BE_TOLD, None, None, None, progress)

    def _view(self, backfill: Backfill, progress: Progress, live: Live | None, found: Counts) -> BackfillView:
        now = self._clock.now()
        calendar, window = _windows(backfill, now)
        reason = _reason(backfill, live, self._control.stop_reason(), now)
        pace = 0.0 if reason is not None and reason.code in NO_PACE else progress.throughput
        return BackfillView(
            backfill=backfill,
            counts=found,
            planned=backfill.planned_at is not None,
            reason=reason,
            window=window,
            effective_windows=None if calendar is None else calendar.windows.effective(),
            throughput_per_minute=round(pace * 60, 2) if pace > 0 else None,
            estimated_completion_at=(
                finish_at(calendar, now, found.remaining, pace)
                if backfill.status in STARTABLE and window is not CANNOT_BE_TOLD
                else None
            ),
            progress=progress,
        )


def _windows(backfill: Backfill, now: datetime) -> tuple[Calendar | None, WindowState]:
    try:
        calendar = calendar_of(backfill)
    except UnreadableWindows:
        return None, CANNOT_BE_TOLD
    return calendar, ALWAYS_OPEN if calendar is None else calendar.state(now)


def _counts(progress: Progress, live: Live | None, *, has_ended: bool) -> Counts:
    if has_ended:
        return counts(progress, in_flight=0, in_flight_retries=0)
    if live is None:
        return counts(progress)
    return counts(progress, in_flight=len(live.in_flight), in_flight_retries=live.in_flight_retries)


def _reason(backfill: Backfill, live: Live | None, stop: Reason | None, now: datetime) -> Reason | None:
    if backfill.status in ENDED:
        return None
    reason = live.hold if live is not None and live.hold is not None else backfill.reason
    if stop is not None and backfill.status in HELD_BY_STOP:
        reason = stop  # also where nobody has written it down: whoever waits for a window holds no lease
    return None if reason is None else replace(reason, message=reason.told(shown_zone(backfill), now))
