"""What ended when, as bars: open time alone, for a backfill of three nights is mostly closed."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from backfilld.domain.backfills.holding import ENTRIES
from backfilld.domain.backfills.open_rates import Point
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.calendars import UnreadableWindows, calendar_of, shown_zone
from backfilld.domain.windows.openings import Opening
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.pages.backfill.timeline import word_of
from backfilld.web.words import times
from backfilld.web.words.numbers import thousands

STEPS = (1, 2, 5, 10, 15, 30, 60, 180, 360, 720, 1440, 10_080)  # minutes
MOST_BARS = 110
FEWEST_BARS = 3  # of less a sentence says more
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 560, 190, 40, 10, 24
WIDEST_BAR = 28.0
BREAK = 10.0  # between openings
LONGEST_REST = 0.3  # of the picture is for what is expected


@dataclass(frozen=True, slots=True)
class Piece:
    """A coloured part of a bar."""

    fill: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """What ended in one stretch of open time."""

    x: float
    width: float
    pieces: Sequence[Piece]
    title: str
    counts: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch in which nothing ended, and why."""

    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class ChartShown:
    """The picture; `bars` with nothing in them are not drawn, but stand in the table."""

    step: str
    bars: Sequence[Bar]
    lines: Sequence[tuple[float, str]]
    labels: Sequence[Label]
    breaks: Sequence[float]
    rest: tuple[float, float, float, float] | None  # x, y, width, height
    base: float
    has_breaks: bool
    zone: str
    bands: Sequence[Band] = ()


@dataclass(slots=True)
class _Bucket:
    begins_at: datetime
    ends_at: datetime
    opening: int
    succeeded: int = 0
    skipped: int = 0
    failed: int = 0
    held_by: str | None = None

    @property
    def total(self) -> int:
        return self.succeeded + self.skipped + self.failed


def chart_of(view: BackfillView, points: Sequence[Point], now: datetime) -> ChartShown | None:
    """None where there is too little to draw."""
    if len(points) < FEWEST_BARS:
        return None
    openings = _openings(view, points[0].at, points[-1].at)
    minutes = sum(one.seconds for one in openings) / 60
    step = next((step for step in STEPS if minutes / step + len(openings) <= MOST_BARS), STEPS[-1])
    buckets = list(_buckets(openings, timedelta(minutes=step)))[-MOST_BARS:]
    _fill(buckets, points)
    if len(buckets) < FEWEST_BARS or not any(one.total for one in buckets):
        return None
    return _drawn(view, buckets, step, now)


def _openings(view: BackfillView, begin: datetime, end: datetime) -> Sequence[Opening]:
    try:
        calendar = calendar_of(view.backfill)
    except UnreadableWindows:
        calendar = None
    found = [] if calendar is None else calendar.intervals(begin, end)
    return found or [Opening(begin, max(end, begin + timedelta(minutes=1)))]


def _buckets(openings: Sequence[Opening], step: timedelta) -> Iterator[_Bucket]:
    for number, opening in enumerate(openings):
        at = opening.opens_at
        while at < opening.closes_at:
            yield _Bucket(at, min(at + step, opening.closes_at), number)
            at += step


def _fill(buckets: Sequence[_Bucket], points: Sequence[Point]) -> None:
    """What ended between two points counts where the later one lies; after a closing, as the last of that opening."""
    starts = [one.begins_at for one in buckets]
    before = points[0]
    for point in points[1:]:
        found = buckets[max(0, bisect_right(starts, point.at - timedelta(seconds=1)) - 1)] if buckets else None
        if found is not None:
            found.succeeded += max(0, point.succeeded - before.succeeded)
            found.skipped += max(0, point.skipped - before.skipped)
            found.failed += max(0, point.failed - before.failed)
            if point.reason_code is not None and point.ended == before.ended:
                found.held_by = point.reason_code
        before = point


def _drawn(view: BackfillView, buckets: Sequence[_Bucket], step: int, now: datetime) -> ChartShown:
    zone = shown_zone(view.backfill)
    gaps = len({one.opening for one in buckets}) - 1
    room = WIDTH - LEFT - gaps * BREAK
    ahead = _ahead(view, step, now)
    slot = min(WIDEST_BAR, room / (len(buckets) + min(ahead, LONGEST_REST * len(buckets) + 1)))
    base = HEIGHT - BOTTOM
    top = _nice(max(one.total for one in buckets))
    scale = (base - TOP) / top
    bars, labels, breaks, bands = [], [], [], []
    x, last_label = float(LEFT), -1_000.0
    for number, one in enumerate(buckets):
        is_new = number == 0 or one.opening != buckets[number - 1].opening
        if is_new and number:
            breaks.append(x + BREAK / 2)
            x += BREAK
        if is_new and x - last_label > 72:
            labels.append(Label(x, f"{one.begins_at.astimezone(zone):%a %H:%M}"))
            last_label = x
        bars.append(_bar(one, x, max(1.0, slot - 1), base, scale, zone))
        if one.held_by is not None and not one.total:
            bands.append(_band(one, x, slot, zone))
        x += slot
    rest = None
    if ahead:
        recent = [one.total for one in buckets if one.total][-10:]
        height = sum(recent) / len(recent) * scale
        width = min(WIDTH - x, ahead * slot)
        rest = (x + 1, base - height, max(2.0, width - 2), height)
        at = view.estimated_completion_at
        told = f"expected until {at.astimezone(zone):%a %H:%M}" if at else "expected"
        end = max(x + width, LEFT + 240.0)
        labels = [one for one in labels if one.x < end - 240]
        labels.append(Label(min(end, WIDTH), told, "end"))
    elif x - last_label > 130:
        labels.append(Label(x, f"{buckets[-1].ends_at.astimezone(zone):%a %H:%M}", "end"))
    lines = [(base - top * scale * part / 2, thousands(top * part / 2)) for part in (0, 1, 2)]
    return ChartShown(_step_name(step), bars, lines, labels, breaks, rest, base, gaps > 0, times.place(zone), bands)


def _band(one: _Bucket, x: float, width: float, zone: tzinfo) -> Band:
    code = one.held_by or ""
    needs_person = code in set(ReasonCode) and ENTRIES[ReasonCode(code)].needs_person
    begin, end = one.begins_at.astimezone(zone), one.ends_at.astimezone(zone)
    return Band(x, width, "bad" if needs_person else "warn", f"{begin:%a %H:%M}–{end:%H:%M}: {word_of(code)}")


def _ahead(view: BackfillView, step: int, now: datetime) -> float:
    """How many bars the rest will take, at the rate of late."""
    rate = view.throughput_per_minute
    if view.estimated_completion_at is None or not rate:
        return 0.0
    return max(1.0, view.counts.remaining / rate / step)


def _bar(one: _Bucket, x: float, width: float, base: float, scale: float, zone: object) -> Bar:
    pieces, y = [], base
    for fill, count in (("succeeded", one.succeeded), ("skipped", one.skipped), ("failed", one.failed)):
        if count:
            height = max(1.0, count * scale)
            y -= height
            pieces.append(Piece(fill, y, height))
    begin, end = one.begins_at.astimezone(zone), one.ends_at.astimezone(zone)  # type: ignore[arg-type]
    told = f"{thousands(one.succeeded)} succeeded, {thousands(one.skipped)} skipped, {thousands(one.failed)} failed"
    title = f"{begin:%a %H:%M}–{end:%H:%M}"
    return Bar(x, width, pieces, f"{title}: {told}", (one.succeeded, one.skipped, one.failed))


def _nice(most: int) -> int:
    """The end of the scale: even, and not far above what is there."""
    unit = 1
    while True:
        for factor in (2, 4, 6, 10):
            if most <= factor * unit:
                return factor * unit
        unit *= 10


def _step_name(minutes: int) -> str:
    if minutes < 60:
        return "a minute" if minutes == 1 else f"{minutes} minutes"
    hours = minutes // 60
    if hours < 24:
        return "an hour" if hours == 1 else f"{hours} hours"
    return "a day" if hours == 24 else "a week"
