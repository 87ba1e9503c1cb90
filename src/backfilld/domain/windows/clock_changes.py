"""What a clock change does to somebody's windows, in words.

Twice a year a window is an hour longer, shorter, missing or there twice. That is right, and it surprises people; so a
preview says it before it happens.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from backfilld.domain.windows.timezones import pieces
from backfilld.domain.windows.weekly import DAY, Span

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sentences(
    days: Sequence[Sequence[Span]], excluded: frozenset[int], zone: ZoneInfo, since: int, until: int
) -> Iterator[str]:
    """One for each window (Monday's `days` first; none that starts on `excluded` days since 1970) and clock change."""
    for before, after in pairwise(pieces(zone, since, until)):
        was, becomes = before.end + before.offset, after.start + after.offset  # what the clocks show
        skipped = becomes > was
        low, high = min(was, becomes), max(was, becomes)
        for day in range(low // DAY - 1, (high - 1) // DAY + 1):
            for span in () if day in excluded else days[(day + 3) % 7]:
                start, end = day * DAY + span.start, day * DAY + span.end
                touched = min(end, high) - max(start, low)
                if touched > 0:
                    effect = (_skipped if skipped else _repeated)(touched, end - start, high - low)
                    yield f"{_headline(zone, was, becomes)}; the window {span} {effect}"


def _skipped(touched: int, length: int, _change: int) -> str:
    if touched == length:
        return "does not open"
    return f"is {_length(touched)} shorter"


def _repeated(touched: int, _length_of_window: int, change: int) -> str:
    if touched < change:
        return f"opens twice and is {_length(touched)} longer in all"
    return f"is {_length(touched)} longer"


def _headline(zone: ZoneInfo, was: int, becomes: int) -> str:
    direction = "forward" if becomes > was else "back"
    left, reached = _shown(was), _shown(becomes)
    same_day = left.date() == reached.date()
    target = f"{reached:%H:%M}" if same_day else f"{reached:%Y-%m-%d %H:%M}"
    return f"{left:%Y-%m-%d}: clocks in {zone.key} go {direction} at {left:%H:%M} to {target}"


def _shown(local_second: int) -> datetime:
    return _UNIX_EPOCH + timedelta(seconds=local_second)


def _length(seconds: int) -> str:
    hours, minutes = seconds // 3600, seconds // 60 % 60
    parts = [
        f"{hours} h" if hours else "",
        f"{minutes} min" if minutes else "",
        f"{seconds % 60} s" if seconds % 60 else "",
    ]
    return " ".join(part for part in parts if part)
