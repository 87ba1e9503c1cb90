"""From readings of a wall clock to instants, clock changes included.

What a local day repeats or lacks is decided here. A reading that comes twice counts once, the second time; but if the
hour does not matter (`every_hour`), both count, so that no hour of data is lost. A reading that is skipped counts as
much later as the clock was set forward; but if the hour does not matter and the pattern means that later reading
anyway, it counts for nothing. A day that a zone left out altogether has no sessions.

All instants here are whole seconds since 1970.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache
from typing import NamedTuple, Protocol

from backfilld.domain.schedules.patterns import DAY_SECONDS, WallPattern
from backfilld.domain.windows.timezones import EARLIEST_SECOND, LATEST_SECOND, Piece, pieces

# Every reading of a wall clock is less than two days away from the instant it means, in any zone, shifted or not.
_NEAR = 2 * DAY_SECONDS
_WINDOW = 2 * _NEAR
_CUTS_REMEMBERED = 1_000  # whoever asks for the slots of a year asks for one after the other


class Points(Protocol):
    """Instants in a row."""

    def at_or_after(self, second: int) -> int | None:
        """The first one from `second` on."""

    def before(self, second: int) -> int | None:
        """The last one earlier than `second`."""


@dataclass(frozen=True, slots=True)
class EverySeconds:
    """The multiples of `seconds` since 1970, in any zone."""

    seconds: int

    def at_or_after(self, second: int) -> int | None:
        found = -(-second // self.seconds) * self.seconds
        return found if found <= LATEST_SECOND else None

    def before(self, second: int) -> int | None:
        found = (second - 1) // self.seconds * self.seconds
        return found if found >= EARLIEST_SECOND else None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """What at least one of several patterns means."""

    each: tuple[Points, ...]

    def at_or_after(self, second: int) -> int | None:
        return min((found for points in self.each if (found := points.at_or_after(second)) is not None), default=None)

    def before(self, second: int) -> int | None:
        return max((found for points in self.each if (found := points.before(second)) is not None), default=None)


class _Stretch(NamedTuple):
    """Readings from `start` until before `end`, which mean the instant `reading - offset`.

    `skipped` is 0, or by how much the clock was set forward: the stretch then is what it never showed.
    """

    start: int
    end: int
    offset: int
    skipped: int


@dataclass(frozen=True, slots=True)
class WallPoints:
    """The instants at which the clocks of `zone` show what `pattern` means."""

    pattern: WallPattern
    zone: tzinfo

    def at_or_after(self, second: int) -> int | None:
        since = max(second, EARLIEST_SECOND + _NEAR)
        while since < LATEST_SECOND - _WINDOW:
            found = self._first(since, since + _WINDOW)
            if found is not None:
                return found
            since += _WINDOW
            wall = self.pattern.at_or_after(since - _NEAR)  # past years without any
            if wall is None:
                return None
            since = max(since, wall - _NEAR)
        return None

    def before(self, second: int) -> int | None:
        until = min(second, LATEST_SECOND - _NEAR)
        while until > EARLIEST_SECOND + _WINDOW:
            found = self._last(until - _WINDOW, until)
            if found is not None:
                return found
            until -= _WINDOW
            wall = self.pattern.at_or_before(until + _NEAR)
            if wall is None:
                return None
            until = min(until, wall + _NEAR)
        return None

    def _first(self, since: int, until: int) -> int | None:
        found = [
            wall - stretch.offset
            for stretch in self._stretches(since // _WINDOW, -(-until // _WINDOW))
            if (wall := self._first_in(stretch, since + stretch.offset)) is not None
        ]
        return min((second for second in found if second < until), default=None)

    def _last(self, since: int, until: int) -> int | None:
        found = [
            wall - stretch.offset
            for stretch in self._stretches(since // _WINDOW, -(-until // _WINDOW))
            if (wall := self._last_in(stretch, until + stretch.offset - 1)) is not None
        ]
        return max((second for second in found if second >= since), default=None)

    def _first_in(self, stretch: _Stretch, wall: int) -> int | None:
        found = self.pattern.at_or_after(max(wall, stretch.start))
        while found is not None and found < stretch.end:
            if self._counts(stretch, found):
                return found
            found = self.pattern.at_or_after(found + 1)
        return None

    def _last_in(self, stretch: _Stretch, wall: int) -> int | None:
        found = self.pattern.at_or_before(min(wall, stretch.end - 1))
        while found is not None and found >= stretch.start:
            if self._counts(stretch, found):
                return found
            found = self.pattern.at_or_before(found - 1)
        return None

    def _counts(self, stretch: _Stretch, wall: int) -> bool:
        return not (stretch.skipped and self.pattern.every_hour and self.pattern.matches(wall + stretch.skipped))

    def _stretches(self, first: int, last: int) -> tuple[_Stretch, ...]:
        """Everything that may lie in some windows, and a little around it."""
        return _cut(self.zone, first * _WINDOW - _NEAR, last * _WINDOW + _NEAR, self.pattern.every_hour)


@lru_cache(maxsize=_CUTS_REMEMBERED)
def _cut(zone: tzinfo, since: int, until: int, every_hour: bool) -> tuple[_Stretch, ...]:
    return tuple(_stretches(tuple(pieces(zone, since, until)), every_hour))


def _stretches(cut: tuple[Piece, ...], every_hour: bool) -> Iterator[_Stretch]:
    for piece, following in zip(cut, (*cut[1:], None), strict=True):
        end = piece.end + piece.offset
        if following is not None and not every_hour:
            end = min(end, piece.end + following.offset)  # what comes again counts then
        yield _Stretch(piece.start + piece.offset, end, piece.offset, 0)
        if following is None:
            continue
        skipped = following.offset - piece.offset
        if 0 < skipped < DAY_SECONDS:
            start = piece.end + piece.offset
            yield _Stretch(start, start + skipped, piece.offset, skipped)
