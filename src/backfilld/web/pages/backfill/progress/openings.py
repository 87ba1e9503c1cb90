"""When a backfill may run, as a picture: a row for each local day, the hours of the day across."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backfilld.domain.backfills.open_rates import Point
from backfilld.domain.calendars import UnreadableWindows, calendar_of
from backfilld.domain.windows.openings import Calendar, Opening
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.words import times
from backfilld.web.words.numbers import thousands

LEAST_DAYS, MOST_DAYS = 7, 14
PAST_DAYS = 4
DIGIT = 10  # units of the picture, where it is narrow; a block holds no number that is wider
WIDTH = 480  # of 24 hours
ROW = 22


@dataclass(frozen=True, slots=True)
class Block:
    """Open time of one day; what lies in the past is drawn otherwise, with what ended in it (`count`, if it fits)."""

    x: float
    width: float
    past: bool
    title: str
    count: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """Part of a day in which its windows count as open, whatever they say."""

    x: float
    y: int
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Day:
    """A row. `note` names a day that is shorter or longer than others."""

    label: str
    y: int
    today: bool
    blocks: Sequence[Block]
    note: str


@dataclass(frozen=True, slots=True)
class OpeningsShown:
    """The picture. `now_x`, `end_x` with their rows; None where they are not on it."""

    zone: str
    days: Sequence[Day]
    height: int
    now: tuple[float, int] | None
    end: tuple[float, int, str] | None
    table: Sequence[tuple[str, str]]
    override: Sequence[Override] = ()
    note: str = ""


def openings_of(
    view: BackfillView, now: datetime, points: Sequence[Point] = (), *, changed: bool = False
) -> OpeningsShown | None:
    """None: it may always run, or its windows cannot be read; then a sentence says it.

    `points`: how it went, for what ended in past openings. `changed`: its windows were others once, so that those of
    the past may have been others, too.
    """
    try:
        calendar = calendar_of(view.backfill)
    except UnreadableWindows:
        return None
    if calendar is None or view.has_ended or (view.window.open and view.window.closes_at is None):
        return None
    zone = calendar.zone
    today = now.astimezone(zone).date()
    end = view.estimated_completion_at
    last = end.astimezone(zone).date() + timedelta(days=1) if end is not None else today
    created = view.backfill.created_at.astimezone(zone).date()
    first = max(created, today - timedelta(days=PAST_DAYS))
    count = max(LEAST_DAYS, min(MOST_DAYS, (last - first).days + 1))
    dates = [first + timedelta(days=number) for number in range(count)]
    days = [_day(calendar, one, number, today, now, points) for number, one in enumerate(dates)]
    has_past = any(block.past for day in days for block in day.blocks)
    return OpeningsShown(
        zone=times.place(zone),
        days=days,
        height=ROW * count,
        now=_place(now, dates, zone),
        end=_flag(end, dates, zone),
        override=list(_override(view.window.override_until, now, dates, zone)),
        note=", past ones as its windows are now" if changed and has_past else "",
        table=[(day.label, ", ".join(block.title for block in day.blocks)) for day in days if day.blocks],
    )


def _override(until: datetime | None, now: datetime, dates: Sequence[date], zone: ZoneInfo) -> Iterator[Override]:
    if until is None:
        return
    title = f"Runs outside of its windows until {until.astimezone(zone):%a %H:%M}"
    for number, day in enumerate(dates):
        begin = max(now, _midnight(day, zone))
        end = min(until, _midnight(day + timedelta(days=1), zone))
        if begin < end:
            x, to = _hour(begin, zone) / 24 * WIDTH, (_hour(end, zone) or 24.0) / 24 * WIDTH
            yield Override(x, number * ROW, max(2.0, to - x), title)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _day(calendar: Calendar, day: date, number: int, today: date, now: datetime, points: Sequence[Point]) -> Day:
    zone = calendar.zone
    begin, end = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    hours = (end - begin).total_seconds() / 3600
    return Day(
        label=f"{day:%a} {day.day}",
        y=number * ROW,
        today=day == today,
        blocks=list(_blocks(calendar, calendar.intervals(begin, end), zone, now, points)),
        note="" if hours == 24 else f"{hours:g} h day",
    )


def _blocks(
    calendar: Calendar, found: Sequence[Opening], zone: ZoneInfo, now: datetime, points: Sequence[Point]
) -> Iterator[Block]:
    for one in found:
        x, until = _hour(one.opens_at, zone), _hour(one.closes_at, zone)
        until = until if until > x else 24.0
        whole = calendar.intervals(one.opens_at - timedelta(hours=24), one.closes_at + timedelta(hours=24))
        opening = next((each for each in whole if each.opens_at <= one.opens_at < each.closes_at), one)
        title = f"{opening.opens_at.astimezone(zone):%a %H:%M} – {opening.closes_at.astimezone(zone):%a %H:%M}"
        width, is_past = max(2.0, (until - x) / 24 * WIDTH), one.closes_at <= now
        count = ""
        if is_past and (ended := _ended(points, one.opens_at, one.closes_at)) is not None:
            count = thousands(ended)
            title += f": {count} ended in this part of it"
        yield Block(x / 24 * WIDTH, width, is_past, title, count if len(count) * DIGIT < width else "")


def _ended(points: Sequence[Point], begin: datetime, end: datetime) -> int | None:
    """How many ended between two moments; None where nothing is known of them."""
    if not points or end <= points[0].at:
        return None
    return _processed(points, end) - _processed(points, begin)


def _processed(points: Sequence[Point], at: datetime) -> int:
    place = max(0, bisect_right(points, at, key=lambda point: point.at) - 1)
    return points[place].succeeded + points[place].failed + points[place].skipped


def _hour(at: datetime, zone: ZoneInfo) -> float:
    local = at.astimezone(zone)
    return local.hour + local.minute / 60 + local.second / 3600


def _place(at: datetime, dates: Sequence[date], zone: ZoneInfo) -> tuple[float, int] | None:
    day = at.astimezone(zone).date()
    return (_hour(at, zone) / 24 * WIDTH, dates.index(day) * ROW) if day in dates else None


def _flag(at: datetime | None, dates: Sequence[date], zone: ZoneInfo) -> tuple[float, int, str] | None:
    placed = _place(at, dates, zone) if at is not None else None
    return (*placed, f"done ≈ {at.astimezone(zone):%H:%M}") if placed is not None and at is not None else None
