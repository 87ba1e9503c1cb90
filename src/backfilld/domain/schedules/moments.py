"""Times as digdag's clients send them: with an offset, or by the wall clock of the workflow."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from backfilld.domain.errors import Fault
from backfilld.domain.instants import beyond, bounded
from backfilld.domain.schedules.schedule import Schedule

_SHAPE = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<offset>[Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_MICROSECOND = timedelta(microseconds=1)
_NONE = timedelta(0)
_WITH_OFFSET = "2027-03-01T09:00:00+09:00"
_BY_THE_CLOCK = f"{_WITH_OFFSET}, or 2027-03-01T09:00 by the workflow's clock"


def parse_moment(text: str, path: str, zone: tzinfo | None, schedule: Schedule | None = None) -> datetime | Fault:
    """The instant that is meant, within bounds; `zone` None: an offset has to be there.

    A reading that the wall clock skips is as much later. One that it shows twice is the one that is a session of the
    schedule, if exactly one is; else nobody can tell.
    """
    found = parse_moments(text, path, zone)
    return found if isinstance(found, Fault) else the_session(found, path, zone, schedule)


def the_session(
    instants: Sequence[datetime], path: str, zone: tzinfo | None, schedule: Schedule | None
) -> datetime | Fault:
    """The only one, or the only one that is a session of the schedule; else a fault with the spelling of each."""
    different = list(dict.fromkeys(instants))
    if len(different) == 1:
        return different[0]
    sessions = [at for at in different if schedule is not None and schedule.stands_at(at)]
    if len(sessions) == 1:
        return sessions[0]
    spellings = " or ".join(at.astimezone(zone).isoformat() for at in different)
    return Fault(path, "ambiguous_time", f"is a time that the clocks show twice; write {spellings}")


def parse_moments(text: str, path: str, zone: tzinfo | None) -> tuple[datetime, ...] | Fault:
    """The instants that may be meant, each within bounds: one, or both of a reading that the wall clock shows twice."""
    match = _SHAPE.fullmatch(text)
    example = _WITH_OFFSET if zone is None else _BY_THE_CLOCK
    if match is None:
        return Fault(path, "invalid_time", f"must be a time such as {example}")
    if match["offset"] is None and zone is None:
        return Fault(path, "invalid_time", "must say its offset, such as Z or +09:00")
    try:
        local = datetime.fromisoformat(f"{match['date']}T{match['time']}:{match['second'] or '00'}")
        offset = (match["offset"] or "").upper().replace("Z", "+00:00")
        meant = [datetime.fromisoformat(local.isoformat() + offset)] if offset else _readings(local, zone)
        found = [bounded(aware.astimezone(UTC) + _fraction(match["fraction"] or ""), path) for aware in meant]
        faults = [each for each in found if isinstance(each, Fault)]
        return faults[0] if faults else tuple(each for each in found if not isinstance(each, Fault))
    except OverflowError:
        return beyond(path)
    except ValueError:
        return Fault(path, "invalid_time", f"there is no such time; expected one such as {example}")


def _readings(local: datetime, zone: tzinfo | None) -> list[datetime]:
    """The first reading, and the second if the wall clock goes back in between."""
    first, second = local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)
    goes_back = (first.utcoffset() or _NONE) > (second.utcoffset() or _NONE)
    return [first, second] if goes_back else [first]


def _fraction(digits: str) -> timedelta:
    """Up to the next microsecond: what is just behind a slot stays behind it."""
    nanoseconds = int(digits.ljust(9, "0"))
    return -(-nanoseconds // 1000) * _MICROSECOND
