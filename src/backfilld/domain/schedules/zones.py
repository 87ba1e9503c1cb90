"""The zone of a schedule: a name, or an offset that never changes; and when a local day begins in it."""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from backfilld.domain.errors import Fault
from backfilld.domain.schedules.patterns import DAY_SECONDS
from backfilld.domain.windows.timezones import parse_zone, pieces

_OFFSET = re.compile(r"([+-])([0-9]{2})(?::?([0-5][0-9]))?")
_LARGEST_OFFSET = timedelta(hours=18)


def parse_schedule_zone(value: object, path: str) -> tzinfo | Fault:
    """The zone of an IANA name (`Asia/Tokyo`) or offset (`+09:00`, `Z`), or what is wrong with it."""
    if value == "Z":
        return UTC
    match = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return parse_zone(value, path)
    ahead = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    if ahead > _LARGEST_OFFSET:
        return Fault(path, "unknown_timezone", f"the offset {value!r} is larger than 18 hours")
    return timezone(ahead if match[1] == "+" else -ahead)


def day_begins(zone: tzinfo, day: date) -> int:
    """The first second since 1970 at which the local clock shows `day` or later, whether or not it has a midnight."""
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    for piece in pieces(zone, midnight - 2 * DAY_SECONDS, midnight + 3 * DAY_SECONDS):
        second = max(piece.start, midnight - piece.offset)
        if second < piece.end:
            return second
    raise AssertionError("no offset is as large as two days")
