"""How far a backfill is: the numbers beside its bar, and what is in flight."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from backfilld.domain.backfills.states import STARTABLE, Status
from backfilld.domain.calendars import shown_zone
from backfilld.operations.backfills.ledger import LedgerEntry
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.words import numbers, times
from backfilld.web.words.bars import Segment, segments

MOST_SLOTS = 64


@dataclass(frozen=True, slots=True)
class Tile:
    """A number with its name. `at` makes of `note` a time that counts on; `whole` is what pointing at it shows.

    `span`: what it lies between.
    """

    name: str
    value: str
    note: str = ""
    at: datetime | None = None
    whole: str = ""
    span: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """Something in flight."""

    entity_id: str
    since: datetime | None
    attempt: int
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class ProgressShown:
    """Of one moment."""

    planned: bool
    percent: str
    counted: str
    what: str
    bar: Sequence[Segment]
    legend: Sequence[Segment]
    pending: int
    tiles: Sequence[Tile]


@dataclass(frozen=True, slots=True)
class SlotsShown:
    """What is in flight, and how many more may be."""

    slots: Sequence[Slot] = ()
    free: int = 0


def slots_of(view: BackfillView, moving: Sequence[LedgerEntry], now: datetime) -> SlotsShown:
    """Nothing where nothing is in flight, unless it may be so for a moment only: then they stay, and nothing jumps."""
    is_at_work = view.backfill.status is Status.RUNNING and view.reason is None and view.planned
    if not moving and not is_at_work:
        return SlotsShown()
    slots = [Slot(one.entity_id, one.started_at, one.attempts, bool(one.unusually_long)) for one in moving]
    return SlotsShown(slots, max(0, min(view.backfill.settings.max_in_flight, MOST_SLOTS) - len(moving)))


def numbers_of(view: BackfillView, now: datetime) -> ProgressShown:
    counts, backfill = view.counts, view.backfill
    bar = segments(counts)
    return ProgressShown(
        planned=view.planned,
        percent=numbers.percent(counts.processed + counts.cancelled, counts.total) if view.planned else "",
        counted=f"{numbers.thousands(counts.processed + counts.cancelled)} of {numbers.thousands(counts.total)}",
        what="sessions" if backfill.is_schedule else numbers.plural(backfill.settings.entity_type or "item"),
        bar=bar,
        legend=[*bar, *_no_failures(view)],
        pending=0 if view.has_ended else counts.pending,
        tiles=tuple(_ended_tiles(view, now) if view.has_ended else _tiles(view, now)),
    )


def _no_failures(view: BackfillView) -> Iterator[Segment]:
    if view.has_ended and view.planned and not view.counts.failed:
        yield Segment("failed", "failed", 0, 0, 0)  # that is news, too


def _tiles(view: BackfillView, now: datetime) -> Iterator[Tile]:
    counts, backfill = view.counts, view.backfill
    rate, status = view.throughput_per_minute, backfill.status
    while_open = view.rate_while_open_per_minute
    if status in STARTABLE and rate is not None and while_open is not None:
        yield Tile("Rate while open", _per_minute(while_open))
    elif status is Status.RUNNING and rate is not None:
        yield Tile("Rate", _per_minute(rate))
    if counts.in_flight or (status is Status.RUNNING and view.reason is None):
        yield Tile("In flight", f"{numbers.thousands(counts.in_flight)} of {backfill.settings.max_in_flight}")
    zone, at = shown_zone(backfill), view.estimated_completion_at
    if at is not None:
        yield Tile("Expected end", times.clock_time(at, zone, now), "", at, times.whole(at, zone), _span(view, now))
    yield from _credits(view)


def _span(view: BackfillView, now: datetime) -> str:
    if view.completion_range is None:
        return ""
    zone = shown_zone(view.backfill)
    earliest, latest = (times.clock_time(at, zone, now) for at in view.completion_range)
    return f"between {earliest} and {latest}" if earliest != latest else ""


def _per_minute(rate: float) -> str:
    return f"{numbers.thousands(round(rate) if rate >= 10 else round(rate, 1))}/min"


def _credits(view: BackfillView) -> Iterator[Tile]:
    used, each = view.progress.credits_used, view.backfill.credits_per_entity
    if not used and not each:
        return
    about = f"of about {numbers.thousands(each * view.counts.to_run)}" if each and view.planned else ""
    yield Tile("Credits", numbers.thousands(used), "" if view.has_ended else about)


def _ended_tiles(view: BackfillView, now: datetime) -> Iterator[Tile]:
    backfill, began, ended = view.backfill, view.progress.started_at, view.backfill.completed_at
    if ended is not None:
        zone = shown_zone(backfill)
        yield Tile("Ended", times.clock_time(ended, zone, now), "", ended, times.whole(ended, zone))
    if ended is not None and began is not None:
        seconds = (ended - began).total_seconds()
        per_minute = view.counts.processed / seconds * 60 if seconds >= 1 else 0
        pace = f"{numbers.thousands(round(per_minute))}/min on average" if per_minute >= 1 else ""
        yield Tile("Took", times.duration(seconds), pace)
    yield from _credits(view)
