"""For how long an answer asks us to wait."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 86_400.0
# Between two values, and not within a date: `4, 6`, and what becomes of two such headers.
_NEXT_VALUE = re.compile(r",\s*(?=\d+\s*(?:,|$)|[A-Za-z]{3,9},|[A-Za-z]{3} [A-Za-z]{3} )")


def retry_after_seconds(text: str, answered: str, now: datetime) -> float | None:
    """What `Retry-After` asks for in seconds, at most a day; the longest, if several. None: nothing that makes sense.

    A date is measured against the answer's own `Date` (`answered`), since the clocks may differ; `now` stands in for
    that.
    """
    text = text.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return _seconds(text)
    return max((wait for wait in _waits(_NEXT_VALUE.split(text), answered, now) if wait is not None), default=None)


def _waits(values: Iterable[str], answered: str, now: datetime) -> Iterable[float | None]:
    for value in map(str.strip, values):
        if value.isascii() and value.isdigit():
            yield _seconds(value)
        elif (until := _date(value)) is not None:
            yield min(max((until - (_date(answered) or now)).total_seconds(), 0.0), LONGEST_SECONDS)


def _seconds(digits: str) -> float:
    return min(float(digits) if len(digits) <= 10 else math.inf, LONGEST_SECONDS)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
