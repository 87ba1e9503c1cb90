"""For how long an answer asks us to wait."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from backfilld.executors.http.wire.response_parser import Headers

LONGEST_SECONDS = 86_400.0
# Between two values, and not within a date: `4, 6`, and what becomes of two such headers.
_NEXT_VALUE = re.compile(r",\s*(?=\d+\s*(?:,|$)|[A-Za-z]{3,9},|[A-Za-z]{3} [A-Za-z]{3} )")


def retry_after_seconds(headers: Headers, now: datetime) -> float | None:
    """What `Retry-After` asks for in seconds, at most a day; the longest, if several. None: nothing that makes sense.

    A date is measured against the answer's own `Date`, since the clocks may differ; `now` stands in for that.
    """
    text = headers.joined("Retry-After").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return _seconds(text)
    return max((wait for wait in _waits(_NEXT_VALUE.split(text), headers, now) if wait is not None), default=None)


def _waits(values: Iterable[str], headers: Headers, now: datetime) -> Iterable[float | None]:
    for value in map(str.strip, values):
        if value.isascii() and value.isdigit():
            yield _seconds(value)
        elif (until := _date(value)) is not None:
            answered_at = _date(headers.get("Date", "")) or now
            yield min(max((until - answered_at).total_seconds(), 0.0), LONGEST_SECONDS)


def _seconds(digits: str) -> float:
    return min(float(digits) if len(digits) <= 10 else math.inf, LONGEST_SECONDS)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
