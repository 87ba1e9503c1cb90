"""Dates as filters know them: which texts are dates, and which instants they mean.

Rules and records are read by the same patterns, here and in SQL, so that both back ends agree on every
text: RFC 3339 with an offset (`T`, `t` or a space in the middle, `Z` or `z`, offsets up to 15:59, years 0001
to 9999, fractions cut to microseconds, no leap second), or a date alone, which is its local midnight.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, auto
from typing import Final
from zoneinfo import ZoneInfo

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_MONTH_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
# Both are plain enough to mean the same to Python and to PostgreSQL; whole texts must match.
DATE: Final = f"(?:{_YEAR}-{_MONTH_DAY}|{_LEAP_YEAR}-02-29)"
TIMESTAMP: Final = (
    f"{DATE}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]+)?(?:[Zz]|[+-](?:0[0-9]|1[0-5]):[0-5][0-9])"
)
_is_date = re.compile(DATE).fullmatch
_is_timestamp = re.compile(TIMESTAMP).fullmatch
_looks_like_date = re.compile("[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?", re.DOTALL).fullmatch
_is_naive = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?").fullmatch

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY: Final = "0000-00-00"  # sorts before every date
NO_DAY: Final = "9999-99-99"  # sorts after every date


class Form(Enum):
    """What a text of a rule looks like."""

    DATE = auto()
    TIMESTAMP = auto()
    RELATIVE = auto()
    NAIVE = auto()  # a time without an offset
    BROKEN = auto()  # meant as a date, but is none
    PLAIN = auto()  # any other text


def form_of(text: str) -> Form:
    """Whether a text is a date, and in which form."""
    if text.startswith("now"):
        return _form_of_relative(text)
    if not _looks_like_date(text):
        return Form.PLAIN
    if _is_date(text):
        return Form.DATE
    if parse_timestamp(text) is not None:
        return Form.TIMESTAMP
    return Form.NAIVE if _is_naive(text) else Form.BROKEN


def _form_of_relative(text: str) -> Form:
    if is_relative(text):
        return Form.RELATIVE
    return Form.BROKEN if text[3:].lstrip()[:1] in ("+", "-", "/") else Form.PLAIN


def is_date(text: str) -> bool:
    """Whether a text is a day that exists, as YYYY-MM-DD."""
    return _is_date(text) is not None


def parse_timestamp(text: str) -> datetime | None:
    """The instant that an RFC 3339 text with an offset names, aware; None for every other text."""
    if not _is_timestamp(text):
        return None
    return datetime.fromisoformat(text[:-1] + "Z" if text[-1] == "z" else text)


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins: the first of two midnights; one that is skipped is read with the offset before the change."""
    return datetime.combine(day, time(), tzinfo=zone)


def first_day_from(at: datetime, zone: ZoneInfo) -> str:
    """The first day whose local midnight is not before `at` (in UTC), as YYYY-MM-DD; NO_DAY if none is left."""
    day = at.date().toordinal()  # no zone is a whole day behind UTC: the day before began earlier than this
    while day <= date.max.toordinal():
        if _since_epoch(date.fromordinal(day), zone) >= at - EPOCH:
            return date.fromordinal(day).isoformat()
        day += 1
    return NO_DAY


def _since_epoch(day: date, zone: ZoneInfo) -> timedelta:
    # differences instead of instants: the first and last days of the calendar have none in UTC
    midnight = local_midnight(day, zone)
    return midnight.replace(tzinfo=None) - EPOCH.replace(tzinfo=None) - (midnight.utcoffset() or timedelta())


_STEP = re.compile("([+-][0-9]{1,9}|/)([smhdwMy])")
_RELATIVE = re.compile("now(?:(?:[+-][0-9]{1,9}|/)[smhdwMy])*")
_FIXED: Final = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}


def is_relative(text: str) -> bool:
    """Whether a text is of the relative form: `now`, `now-90d`, `now-1M/M`, in any number of steps."""
    return _RELATIVE.fullmatch(text) is not None


def resolve_relative(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) that a relative text means at `now`. OverflowError or ValueError if there is no such year.

    Hours, minutes and seconds are lengths; days, weeks, months and years move the local calendar, where a
    month that is too short gives its last day. Rounding (`/unit`) goes down to the local start of the unit; a
    week starts on Monday.
    """
    at = now.astimezone(zone)
    for amount, unit in _STEP.findall(text):
        moved = _start_of(at, unit) if amount == "/" else _moved(at, int(amount), unit)
        # through UTC and back: a local time that the clocks skip becomes one that they show
        at = moved.astimezone(UTC).astimezone(zone)
    return at.astimezone(UTC)


def _moved(at: datetime, amount: int, unit: str) -> datetime:
    if unit in _FIXED:
        return at.astimezone(UTC) + amount * _FIXED[unit]
    if unit in "dw":
        return at + timedelta(days=amount * (7 if unit == "w" else 1))
    months = at.year * 12 + at.month - 1 + amount * (12 if unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    return at.replace(year=year, month=month, day=min(at.day, _days_in(year, month)))


def _days_in(year: int, month: int) -> int:
    return 31 if month == 12 else (date(year, month + 1, 1) - date(year, month, 1)).days


def _start_of(at: datetime, unit: str) -> datetime:
    match unit:
        case "s":
            return at.replace(microsecond=0)
        case "m":
            return at.replace(second=0, microsecond=0)
        case "h":
            return at.replace(minute=0, second=0, microsecond=0)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match unit:
        case "w":
            return midnight - timedelta(days=at.weekday())
        case "M":
            return midnight.replace(day=1)
        case "y":
            return midnight.replace(month=1, day=1)
    return midnight


def spell_instant(at: datetime) -> str:
    """An instant as the program writes it: RFC 3339 in UTC with `Z`."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
