"""Sessions as small marks in a row: each with its word, and never told apart by its colour alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from backfilld.domain.sessions.records import AttemptStatus
from backfilld.operations.schedules.overview import SessionMark
from backfilld.web.words.attempts import FILLS, PILLS

STEP, WIDTH = 9, 7
HEIGHT = 20
_HEIGHTS = {"succeeded": 12, "failed": 20, "cancelled": 6, "flight": 12, "pending": 6}


@dataclass(frozen=True, slots=True)
class Tick:
    """One session of the list's small picture: what failed stands out by its height, too."""

    x: int
    y: int
    height: int
    fill: str
    title: str


@dataclass(frozen=True, slots=True)
class Ticks:
    """The picture, and what it says in words."""

    ticks: Sequence[Tick]
    width: int
    told: str


def ticks_of(recent: Sequence[SessionMark], zone: tzinfo) -> Ticks | None:
    """Oldest first; None for a schedule that has had no session."""
    if not recent:
        return None
    ticks = [_tick(mark, number, zone) for number, mark in enumerate(reversed(recent))]
    words = Counter(PILLS[mark.status].word.lower() for mark in recent)
    told = ", ".join(f"{count} {word}" for word, count in words.items())
    return Ticks(ticks, len(recent) * STEP - (STEP - WIDTH), f"The last {len(recent)} sessions: {told}")


def _tick(mark: SessionMark, place: int, zone: tzinfo) -> Tick:
    fill = FILLS[mark.status]
    height = _HEIGHTS[fill]
    title = f"{mark.session_time.astimezone(zone):%a %Y-%m-%d %H:%M}: {PILLS[mark.status].word.lower()}"
    return Tick(place * STEP, HEIGHT - height, height, fill, title)


def is_over(status: AttemptStatus) -> bool:
    return status in (AttemptStatus.SUCCESS, AttemptStatus.ERROR, AttemptStatus.KILLED)
