"""Which instants and dates may come in: those of the years 1000 to 9000.

`datetime` ends at the years 1 and 9999, and whatever shifts an instant near an end (a zone, a delay, the next slot)
falls off. So every field of ours that takes an instant asks here, and nobody behind it has to think of the ends.
What stands in attributes of entities is data, and is not asked.
"""

from datetime import UTC, date, datetime

from backfilld.domain.errors import Fault

FIRST_YEAR, LAST_YEAR = 1000, 9000
FIRST_INSTANT = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(LAST_YEAR, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
OUT_OF_RANGE = "out_of_range"
IN_WORDS = f"the years {FIRST_YEAR} to {LAST_YEAR}"


def is_within_bounds(at: datetime) -> bool:
    """True for an aware instant of those years, as UTC counts them."""
    return FIRST_INSTANT <= at <= LAST_INSTANT


def is_date_within_bounds(day: date) -> bool:
    """True for a date of those years, wherever it holds."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


def bounded(at: datetime, path: str) -> datetime | Fault:
    """The instant, which may come in; else what is to be said of the field at `path`."""
    return at if is_within_bounds(at) else beyond(path)


def bounded_date(day: date, path: str) -> date | Fault:
    """The same for a date without a time."""
    return day if is_date_within_bounds(day) else beyond(path)


def beyond(path: str) -> Fault:
    """What is said of an instant that lies elsewhere, or outside of all calendars."""
    return Fault(path, OUT_OF_RANGE, f"must lie within {IN_WORDS}")
