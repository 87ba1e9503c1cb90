"""When a schedule fires: digdag's dialect as arithmetic on instants, without a clock.

A definition such as `{"daily>": "07:00:00", "start": "2027-03-01"}` is read by `parse_schedule`; the `Schedule` then
answers which slot comes first, next, or before. What clock changes do to it is decided in `points`, and nowhere else.
"""

from backfilld.domain.schedules.covering import Range, TooManySlots, slots_in
from backfilld.domain.schedules.reading import parse_schedule
from backfilld.domain.schedules.schedule import FINISHED_AT, Schedule, Slot
from backfilld.domain.schedules.zones import parse_schedule_zone

__all__ = [
    "FINISHED_AT",
    "Range",
    "Schedule",
    "Slot",
    "TooManySlots",
    "parse_schedule",
    "parse_schedule_zone",
    "slots_in",
]
