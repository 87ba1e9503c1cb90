"""The small values inside a schedule: whole numbers, times of day, durations, dates.

Each reader gives the value, or raises ValueError with what it expects. Numbers and truth values may be written as text,
since workflow files do so.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta

from backfilld.domain.errors import Fault
from backfilld.domain.instants import bounded_date

LONGEST_DELAY = timedelta(days=366)

_WHOLE = re.compile("[0-9]{1,10}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_DATE = "must be a date of the calendar as YYYY-MM-DD"
_DURATION = re.compile(
    r"\s*(?:([0-9]{1,6})\s*d)?\s*(?:([0-9]{1,6})\s*h)?\s*(?:([0-9]{1,6})\s*m)?\s*(?:([0-9]{1,6})\s*s)?\s*"
)
_TRUTH: Mapping[object, bool] = {True: True, False: False, "true": True, "false": False}


def whole(value: object, least: int, most: int) -> int:
    expected = f"must be a whole number from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(expected)
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise ValueError(expected)
    return int(text)


def clock_time(value: object, shape: str) -> timedelta:
    """`HH:MM:SS` or `MM:SS`, as a duration; the parts are not bounded, so 25:00:00 is one in the morning after."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != len(shape.split(":")) or not all(re.fullmatch("[0-9]{1,6}", part) for part in parts):
        raise ValueError(f"must be {shape} as text")
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    delay = timedelta(seconds=seconds)
    if delay > LONGEST_DELAY:
        raise ValueError(f"must not be longer than {LONGEST_DELAY.days} days")
    return delay


def duration(value: object) -> timedelta:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise ValueError("must be a duration as text, such as '3d 2h 5m 30s'")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def calendar_date(value: object) -> date:
    """A date as it may come in."""
    found = bounded_date(_date(value), "")
    if isinstance(found, Fault):
        raise ValueError(found.message)
    return found


def stored_date(value: object) -> date:
    """A date as an earlier version took it."""
    found = _date(value)
    if not _is_reckoned(found):
        raise ValueError(_NO_DATE)
    return found


def _date(value: object) -> date:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(_NO_DATE)


def truth(value: object) -> bool:
    if isinstance(value, bool | str) and value in _TRUTH:
        return _TRUTH[value]
    raise ValueError("must be true or false")


def _is_reckoned(day: date) -> bool:
    return date(3, 1, 1) <= day < date(9997, 1, 1)
