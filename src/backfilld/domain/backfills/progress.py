"""How far a backfill is, and when it will be finished.

Counters are committed by one process and read by another, and what is in flight is known only to the owner.
This module makes one consistent picture of both, whatever the moment at which they were looked at.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.domain.backfills.records import Progress
from backfilld.domain.windows.openings import FARTHEST_FINISH, Calendar


@dataclass(frozen=True, slots=True)
class Counts:
    """Disjoint parts of a plan: processed + cancelled + in_flight + retrying + pending is `total`, always."""

    total: int
    to_run: int  # what is left after those that planning skipped
    succeeded: int
    failed: int
    skipped: int
    cancelled: int
    in_flight: int
    retrying: int  # waiting to be tried again, without those that are being tried again right now
    pending: int

    @property
    def processed(self) -> int:
        return self.succeeded + self.failed + self.skipped

    @property
    def remaining(self) -> int:
        """What has no outcome yet."""
        return self.in_flight + self.retrying + self.pending


def counts(progress: Progress, *, in_flight: int | None = None, in_flight_retries: int | None = None) -> Counts:
    """The picture of `progress`; a local owner's own numbers take the place of those that it last wrote down.

    They may be newer or older than the counters, so each is fitted into what the counters leave open.
    """
    moving = progress.in_flight if in_flight is None else in_flight
    again = progress.in_flight_retries if in_flight_retries is None else in_flight_retries
    remaining = max(0, progress.planned - progress.processed - progress.cancelled)
    moving = min(max(0, moving), remaining)
    retrying = min(max(0, progress.retrying - again), remaining - moving)
    return Counts(
        total=progress.planned,
        to_run=max(0, progress.planned - progress.skipped_in_plan),
        succeeded=progress.succeeded,
        failed=progress.failed,
        skipped=progress.skipped,
        cancelled=progress.cancelled,
        in_flight=moving,
        retrying=retrying,
        pending=remaining - moving - retrying,
    )


def finish_at(calendar: Calendar | None, start: datetime, items: int, per_second: float) -> datetime | None:
    """When `items` will be done at that rate, walked through the openings (None: always open).

    None if no rate is known, or if it would not be in this decade.
    """
    if per_second <= 0:
        return None
    busy_seconds = items / per_second
    if calendar is not None:
        return calendar.finish_at(start, busy_seconds)
    if busy_seconds > FARTHEST_FINISH.total_seconds():
        return None
    return start + timedelta(seconds=busy_seconds)


def differs_much(count: int, estimate: int) -> bool:
    """Whether a count is more than a tenth off what somebody expected."""
    return abs(count - estimate) * 10 > estimate
