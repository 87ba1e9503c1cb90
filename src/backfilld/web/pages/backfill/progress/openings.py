"""When a backfill may run, as a picture: a row for each local day, the hours of the day across."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backfilld.domain.calendars import UnreadableWindows, calendar_of
from backfilld.domain.windows.openings import Calendar, Opening
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.words import times

LEAST_DAYS, MOST_DAYS = 7, 14
WIDTH = 480  # of 24 hours
ROW = 22


@dataclass(frozen=True, slots=True)
class Block:
    """Open time of one day; what lies in the past is drawn otherwise."""

    x: float
    width: float
    past: bool
    title: str


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


def openings_of(view: BackfillView, now: datetime) -> OpeningsShown | None:
    """None: it may always run, or its windows cannot be read; then a sentence says it."""
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
    first = max(created, today - timedelta(days=2))
    count = max(LEAST_DAYS, min(MOST_DAYS, (last - first).days + 1))
    dates = [first + timedelta(days=number) for number in range(count)]
    days = [_day(calendar, one, number, today, now) for number, one in enumerate(dates)]
    return OpeningsShown(
        zone=times.place(zone),
        days=days,
        height=ROW * count,
        now=_place(now, dates, zone),
        end=_flag(end, dates, zone),
        override=list(_override(view.window.override_until, now, dates, zone)),
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


def _day(calendar: Calendar, day: date, number: int, today: date, now: datetime) -> Day:
    zone = calendar.zone
    begin, end = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    hours = (end - begin).total_seconds() / 3600
    return Day(
        label=f"{day:%a} {day.day}",
        y=number * ROW,
        today=day == today,
        blocks=list(_blocks(calendar, calendar.intervals(begin, end), zone, now)),
        note="" if hours == 24 else f"{hours:g} h day",
    )


def _blocks(calendar: Calendar, found: Sequence[Opening], zone: ZoneInfo, now: datetime) -> Iterator[Block]:
    for one in found:
        x, until = _hour(one.opens_at, zone), _hour(one.closes_at, zone)
        until = until if until > x else 24.0
        whole = calendar.intervals(one.opens_at - timedelta(hours=24), one.closes_at + timedelta(hours=24))
        opening = next((each for each in whole if each.opens_at <= one.opens_at < each.closes_at), one)
        title = f"{opening.opens_at.astimezone(zone):%a %H:%M} – {opening.closes_at.astimezone(zone):%a %H:%M}"
        yield Block(x / 24 * WIDTH, max(2.0, (until - x) / 24 * WIDTH), one.closes_at <= now, title)


def _hour(at: datetime, zone: ZoneInfo) -> float:
    local = at.astimezone(zone)
    return local.hour + local.minute / 60 + local.second / 3600


def _place(at: datetime, dates: Sequence[date], zone: ZoneInfo) -> tuple[float, int] | None:
    day = at.astimezone(zone).date()
    return (_hour(at, zone) / 24 * WIDTH, dates.index(day) * ROW) if day in dates else None


def _flag(at: datetime | None, dates: Sequence[date], zone: ZoneInfo) -> tuple[float, int, str] | None:
    placed = _place(at, dates, zone) if at is not None else None
    return (*placed, f"done ≈ {at.astimezone(zone):%H:%M}") if placed is not None and at is not None else None
