"""Times as digdag's clients send them: with an offset, or by the wall clock of the workflow."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from backfilld.domain.errors import Fault
from backfilld.domain.instants import beyond, bounded

_SHAPE = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<offset>[Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_MICROSECOND = timedelta(microseconds=1)
_EXAMPLE = "2027-03-01T09:00:00+09:00, or 2027-03-01T09:00 by the workflow's clock"


def parse_moment(text: str, path: str, zone: tzinfo | None) -> datetime | Fault:
    """The instant that is meant, within bounds; `zone` None: an offset has to be there.

    A reading that the wall clock shows twice is the first of both; one that it skips is as much later.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        return Fault(path, "invalid_time", f"must be a time such as {_EXAMPLE}")
    if match["offset"] is None and zone is None:
        return Fault(path, "invalid_time", "must say its offset, such as Z or +09:00")
    try:
        local = datetime.fromisoformat(f"{match['date']}T{match['time']}:{match['second'] or '00'}")
        offset = (match["offset"] or "").upper().replace("Z", "+00:00")
        aware = datetime.fromisoformat(local.isoformat() + offset) if offset else local.replace(tzinfo=zone)
        return bounded(aware.astimezone(UTC) + _fraction(match["fraction"] or ""), path)
    except OverflowError:
        return beyond(path)
    except ValueError:
        return Fault(path, "invalid_time", f"there is no such time; expected one such as {_EXAMPLE}")


def _fraction(digits: str) -> timedelta:
    """Up to the next microsecond: what is just behind a slot stays behind it."""
    nanoseconds = int(digits.ljust(9, "0"))
    return -(-nanoseconds // 1000) * _MICROSECOND
