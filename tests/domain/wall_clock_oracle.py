"""A second opinion on windows, reached another way than the program's.

Offsets come from the binary zone files themselves, and whether a second is open from what the wall clock reads in that
second: no intervals, no pieces, nothing merged. Slow, and too simple to be wrong.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files

from backfilld.domain.windows.openings import Opening
from backfilld.domain.windows.timezones import zone_names

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = 86_400
SINCE = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
UNTIL = int(datetime(2038, 1, 1, tzinfo=UTC).timestamp())

Request = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class ZoneFile:
    """`offsets[n]` (seconds ahead of UTC) holds from `starts[n]` on; neighbours differ."""

    starts: tuple[int, ...]
    offsets: tuple[int, ...]

    def offset(self, second: int) -> int:
        return self.offsets[bisect_right(self.starts, second) - 1]

    def changes(self, since: int = SINCE, until: int = UNTIL) -> list[int]:
        return [start for start in self.starts if since < start < until]


@cache
def zone_file(name: str) -> ZoneFile:
    """Reads a TZif file (RFC 9636) of the tzdata package: its second block, the one with 64-bit times."""
    data = files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()
    utc, standard, leaps, times, types, letters = _counts(data, 0)
    block = 44 + times * 5 + types * 6 + letters + leaps * 8 + standard + utc
    times, types = _counts(data, block)[3:5]
    at = block + 44
    moments = struct.unpack(f">{times}q", data[at : at + 8 * times])
    which = data[at + 8 * times : at + 9 * times]
    kinds = [struct.unpack(">lbB", data[o : o + 6])[0] for o in range(at + 9 * times, at + 9 * times + 6 * types, 6)]
    rule = data[at + 9 * times + 6 * types :].rpartition(b"\n")[0].rpartition(b"\n")[2].decode()
    moves = [(moment, kinds[kind]) for moment, kind in zip(moments, which, strict=True)]
    moves += [move for move in _by_rule(rule) if not moments or move[0] > moments[-1]]
    starts, offsets = [-(2**62)], [kinds[0]]
    for moment, offset in moves:
        if offset != offsets[-1]:
            starts.append(moment)
            offsets.append(offset)
    return ZoneFile(tuple(starts), tuple(offsets))


def _by_rule(rule: str) -> list[tuple[int, int]]:
    """(second, offset) from the rule at a file's end, as `EST5EDT,M3.2.0,M11.1.0`, which holds after its last move."""
    standard, *moves = rule.split(",")
    if not moves:
        return []
    name = r"(?:<[^>]+>|[A-Za-z]+)"
    winter, summer = re.fullmatch(rf"{name}([-+:\d]+){name}([-+:\d]*)", standard).groups()
    west = _hours(winter)
    offsets = (-_hours(summer) if summer else 3600 - west, -west)
    found = []
    for year in range(1971, 2040):
        for move, before, after in zip(moves, reversed(offsets), offsets, strict=True):
            found.append((_moment(year, move) - before, after))
    return sorted(found)


@cache
def _moment(year: int, move: str) -> int:
    """The local second of a move such as `M3.2.0/2`: March, second Sunday, 2 o'clock (5 is the last)."""
    day, _, time = move.partition("/")
    month, week, weekday = (int(part) for part in day.removeprefix("M").split("."))
    first = date(year, month, 1)
    days = [first + timedelta(days=number) for number in range(31)]
    fitting = [day for day in days if day.month == month and day.isoweekday() % 7 == weekday]
    chosen = fitting[-1] if week == 5 else fitting[week - 1]
    return (chosen - EPOCH.date()).days * DAY + _hours(time or "2")


def _hours(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, *_ = (*(int(part) for part in text.lstrip("+-").split(":")), 0)
    return sign * (hours * 3600 + minutes * 60)


def _counts(data: bytes, block: int) -> tuple[int, ...]:
    assert data[block : block + 4] == b"TZif"
    return struct.unpack(">6l", data[block + 20 : block + 44])


@cache
def distinct_zones() -> tuple[str, ...]:
    """One name for each zone that differs from all others after the year 2000."""
    by_rules = {}
    for name in sorted(zone_names(), reverse=True):
        zone = zone_file(name)
        by_rules[zone.offset(SINCE), *((change, zone.offset(change)) for change in zone.changes())] = name
    return tuple(sorted(by_rules.values()))


@cache
def all_changes() -> tuple[tuple[str, int], ...]:
    """(zone, second) of every change of an offset from 2000 to 2037 in any zone."""
    return tuple((name, change) for name in distinct_zones() for change in zone_file(name).changes())


class Oracle:
    """Answers for one request (valid, as JSON) in one zone."""

    def __init__(self, request: Request, zone: str, excluded: Iterable[date] = ()) -> None:
        self.look_at(zone, excluded)
        self.week = [
            [(_seconds(entry["run_start_time"]), _seconds(entry["run_end_time"])) for entry in request.get(day) or []]
            for day in DAYS
        ]
        self._drawn: dict[tuple[int, bool, bool], bytes] = {}

    def look_at(self, zone: str, excluded: Iterable[date]) -> None:
        """Go on with another zone and other dates; what is known of whole local days stays true."""
        self.zone = zone_file(zone)
        self.excluded = frozenset(day.toordinal() - EPOCH.date().toordinal() for day in excluded)

    def is_open(self, second: int) -> bool:
        return self.reads_open(*divmod(second + self.zone.offset(second), DAY))

    def reads_open(self, day: int, time: int) -> bool:
        """By definition: does a clock that shows that day (since 1970) and time of day show a time inside a window?"""
        if day not in self.excluded:
            for start, end in self._of(day):
                if start < end and start <= time < end:
                    return True
                if end <= start <= time:  # on its way into the next day
                    return True
        if day - 1 not in self.excluded:
            for start, end in self._of(day - 1):
                if end <= start and time < end:  # began yesterday
                    return True
        return False

    def seconds(self, since: int, until: int) -> bytes:
        """A byte for every second: 1 if open."""
        shown = []
        second = since
        while second < until:
            stop = min([until, *(change for change in self.zone.starts if second < change < until)])
            offset = self.zone.offset(second)
            shown.append(self._local(second + offset, stop + offset))
            second = stop
        return b"".join(shown)

    def _local(self, since: int, until: int) -> bytes:
        if until - since < DAY:
            return bytes(self.reads_open(*divmod(second, DAY)) for second in range(since, until))
        days = b"".join(self._day(day) for day in range(since // DAY, (until - 1) // DAY + 1))
        return days[since % DAY : since % DAY + until - since]

    def _day(self, day: int) -> bytes:
        """A whole local day, each of its seconds judged by `reads_open`; like days are judged once."""
        like = (day % 7, day in self.excluded, day - 1 in self.excluded)
        if like not in self._drawn:
            self._drawn[like] = bytes(self.reads_open(day, time) for time in range(DAY))
        return self._drawn[like]

    def _of(self, day: int) -> list[tuple[int, int]]:
        return self.week[(EPOCH + timedelta(days=day)).weekday()]


def _seconds(text: str) -> int:
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return hours * 3600 + minutes * 60 + sum(seconds)


def instant(second: int) -> datetime:
    return EPOCH + timedelta(seconds=second)


def drawn(openings: Iterable[Opening], since: int, until: int) -> bytes:
    """Openings as `Oracle.seconds` shows them."""
    picture = bytearray(until - since)
    for opening in openings:
        start, end = ((at - EPOCH) // timedelta(seconds=1) - since for at in (opening.opens_at, opening.closes_at))
        picture[start:end] = b"\1" * (end - start)
    return bytes(picture)
