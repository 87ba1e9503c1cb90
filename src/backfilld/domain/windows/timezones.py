"""Which time zones there are, and when each of them moves its clocks.

Zone rules change several times a year, so they are pinned: they come from the `tzdata` package and never from the
machine. `zoneinfo` answers what the offset is at an instant but not when it changes; this module finds the changes, so
that others can reckon within stretches in which a local day is plain arithmetic.
"""

import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple
from zoneinfo import ZoneInfo

from backfilld.domain.errors import Fault, nearest
from backfilld.domain.windows.zone_hints import EXAMPLE, NO_ZONES, why_no_zone, without_misleading

# Calendars end one year inside what datetime can hold, so that no offset can carry an instant over the edge.
EARLIEST_SECOND = int(datetime(2, 1, 1, tzinfo=UTC).timestamp())
LATEST_SECOND = int(datetime(9998, 1, 1, tzinfo=UTC).timestamp())

# Offsets are sampled every 9.1 hours. In all of tz data no two changes of one zone lie closer than 167 hours
# (a test reads the data and says so), so between two samples there is at most one.
_SAMPLE_SECONDS = 2**15
_CHUNK_SECONDS = 2**23  # 97 days are found at once and remembered
_CHUNKS_REMEMBERED = 4096  # about 100 bytes each

_LONGEST_NAME = 64


class Piece(NamedTuple):
    """Seconds since 1970 from `start` until before `end`, in which local = UTC + `offset`."""

    start: int
    end: int
    offset: int


def use_pinned_tzdata() -> None:
    """Take zones from the `tzdata` package alone, whatever the machine has. For the start of the program."""
    zoneinfo.reset_tzpath(())
    ZoneInfo.clear_cache()
    zone_names.cache_clear()
    _chunk.cache_clear()


def tzdata_version() -> str:
    """The version of the zone rules in use, as `2026.6`."""
    return version("tzdata")


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every name that is accepted."""
    return frozenset(zoneinfo.available_timezones()) - NO_ZONES


def find_zone(name: str) -> ZoneInfo | None:
    """The zone of exactly that name. Names are looked up before `ZoneInfo` sees them, since it opens files by name."""
    return ZoneInfo(name) if name in zone_names() else None


def parse_zone(value: object, path: str) -> ZoneInfo | Fault:
    """The zone that a caller named, or what is wrong with the name (`allowed`: the nearest names)."""
    if not isinstance(value, str):
        return Fault(path, "invalid_type", "must be a time zone name such as 'Europe/Berlin'")
    zone = find_zone(value)
    if zone is not None:
        return zone
    shown = repr(value) if len(value) <= _LONGEST_NAME else repr(value[:_LONGEST_NAME]) + "…"
    said = why_no_zone(value, shown)
    if said is not None:
        return Fault(path, "unknown_timezone", *said)
    near = without_misleading(nearest_zones(value))
    hint = f"; did you mean '{near[0]}'?" if near else f"; write {EXAMPLE}"
    return Fault(path, "unknown_timezone", f"{shown} is not a time zone of tz data {tzdata_version()}{hint}", near)


def nearest_zones(name: str, most: int = 3) -> tuple[str, ...]:
    """Zones that `name` may have meant, best first: by the whole name, and by its last part (`new york`)."""
    wanted = re.sub(r"\s+", "_", name[:_LONGEST_NAME].strip()).casefold()
    names = sorted(zone_names())
    same = [known for known in names if known.casefold() == wanted]
    by_city: dict[str, str] = {}
    for known in names:
        by_city.setdefault(known.rpartition("/")[2], known)
    same_city = [known for city, known in by_city.items() if city.casefold() == wanted.rpartition("/")[2]]
    alike = nearest(wanted, names, most)
    alike_city = [by_city[city] for city in nearest(wanted, by_city, most)]
    return tuple(dict.fromkeys([*same, *same_city, *alike, *alike_city]))[:most]


def offset_at(zone: tzinfo, second: int) -> int:
    """How many seconds local time is ahead of UTC at that second since 1970."""
    offset = datetime.fromtimestamp(min(max(second, EARLIEST_SECOND), LATEST_SECOND), zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def pieces(zone: tzinfo, since: int, until: int) -> Iterator[Piece]:
    """`[since, until)` cut wherever the offset changes: in order, without gaps, neighbours of different offset."""
    start, offset = since, offset_at(zone, since)
    for number in range(since // _CHUNK_SECONDS, (until - 1) // _CHUNK_SECONDS + 1):
        for change, changed_to in _chunk(zone, number):
            if start < change < until and changed_to != offset:
                yield Piece(start, change, offset)
                start, offset = change, changed_to
    if start < until:
        yield Piece(start, until, offset)


@lru_cache(maxsize=_CHUNKS_REMEMBERED)
def _chunk(zone: tzinfo, number: int) -> tuple[tuple[int, int], ...]:
    """(second, offset from then on) for the chunk's first second and for each change after it."""
    first = number * _CHUNK_SECONDS
    changes = [(first, offset_at(zone, first))]
    for sample in range(first, first + _CHUNK_SECONDS, _SAMPLE_SECONDS):
        last = sample + _SAMPLE_SECONDS - 1
        while changes[-1][1] != offset_at(zone, last):
            unchanged = max(sample - 1, changes[-1][0])
            changes.append(_first_change(zone, unchanged, last, changes[-1][1]))
    return tuple(changes)


def _first_change(zone: tzinfo, before: int, after: int, offset: int) -> tuple[int, int]:
    """By halving: the first second that has not `offset`, which `before` still has and `after` has no more."""
    while after - before > 1:
        middle = (before + after) // 2
        if offset_at(zone, middle) == offset:
            before = middle
        else:
            after = middle
    return after, offset_at(zone, after)
