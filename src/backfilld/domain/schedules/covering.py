"""Which slots a backfill of a schedule covers.

The start is compared with run times, the end with session times: `first(start)` is the earliest slot that has not yet
run by then, and the slot at which the schedule itself stands belongs to the scheduler, never to a backfill. A backfill
that shall move the schedule on covers what should have run by now instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.domain.schedules.schedule import Schedule, Slot

_SECOND = timedelta(seconds=1)


class TooManySlots(ValueError):
    """More slots lie in the range than one request may cover."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the range holds more than {most:,} sessions")
        self.most = most


@dataclass(frozen=True, slots=True)
class Range:
    """`since`: run times from then on; None: from the slot at `position`, where the schedule stands.

    `run_until`: run times up to then, that instant included, in place of the position as the bound.
    `before`: only session times earlier than that.
    """

    position: datetime
    since: datetime | None = None
    before: datetime | None = None
    run_until: datetime | None = None


def slots_in(schedule: Schedule, wanted: Range, *, most: int, count: int | None = None) -> list[Slot]:
    """The slots of a range in order of their session times, the oldest `count` of them. TooManySlots, found lazily:
    what lies behind the `count` oldest is not looked at."""
    found: list[Slot] = []
    for slot in _bounded(schedule, wanted):
        if len(found) == count:
            break
        if len(found) == most:
            raise TooManySlots(most)
        found.append(slot)
    return found


def _bounded(schedule: Schedule, wanted: Range) -> Iterator[Slot]:
    if wanted.since is not None:
        start = schedule.first(wanted.since)
    else:
        start = schedule.next(wanted.position - _SECOND)
    for slot in schedule.since(start):
        if wanted.before is not None and slot.session_time >= wanted.before:
            return
        if wanted.run_until is not None:
            if slot.run_time > wanted.run_until:
                return
        elif slot.session_time >= wanted.position:
            return
        yield slot
