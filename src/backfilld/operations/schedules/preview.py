"""What a schedule comes to: the answer to "when would this fire?", without any workflow."""

from datetime import datetime
from itertools import islice
from typing import Literal

from backfilld.domain.schedules import Schedule, Slot

MOST_SESSIONS = 1000

Where = Literal["from", "after", "before"]


def preview(schedule: Schedule, where: Where, at: datetime, count: int) -> list[Slot]:
    """At most `count` slots; fewer if the schedule or the calendar ends.

    `from`: the first has its run time at or after `at`. `after`: its session time after `at`. `before`: its session
    time before `at`, and the others are earlier and earlier; start and end of the schedule do not count then.
    """
    if where == "before":
        return _backwards(schedule, at, count)
    return list(islice(schedule.since(schedule.first(at) if where == "from" else schedule.next(at)), count))


def _backwards(schedule: Schedule, at: datetime, count: int) -> list[Slot]:
    slots: list[Slot] = []
    while len(slots) < count and (slot := schedule.previous(at)) is not None:
        slots.append(slot)
        at = slot.session_time
    return slots
