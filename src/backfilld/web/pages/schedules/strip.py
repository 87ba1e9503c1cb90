"""The last slots of a schedule as a strip of marks, by month or by day: what ran, how it went, and what never ran."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import groupby

from backfilld.domain.schedules import Slot
from backfilld.operations.schedules.overview import SessionMark
from backfilld.web.words.attempts import FILLS, PILLS
from backfilld.web.words.states import Glyph

MOST = 60
_RARE = timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class Cell:
    """A slot. `session_id` None: it has had no session. `coming`: it is the scheduler's."""

    label: str
    title: str
    session_id: int | None
    fill: str
    glyph: Glyph | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """The slots of one month, or of one day where there are several a day."""

    label: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Strip:
    """All of it; `empty` slots have had no session, from `first` to `last` of those."""

    stretches: Sequence[Stretch]
    empty: int
    first: datetime | None
    last: datetime | None
    kinds: Sequence[tuple[str, str, int]]  # fill, word, how many


def strip_of(
    past: Sequence[tuple[Slot, SessionMark | None]], coming: Sequence[Slot], zone: tzinfo, now: datetime
) -> Strip | None:
    """None for a schedule without any slot."""
    slots: list[tuple[Slot, SessionMark | None, bool]] = [(slot, mark, False) for slot, mark in past]
    slots += [(slot, None, True) for slot in coming]
    if not slots:
        return None
    is_rare = len(slots) < 2 or (slots[-1][0].session_time - slots[0][0].session_time) / len(slots) > _RARE

    def stretch(one: tuple[Slot, SessionMark | None, bool]) -> str:
        local = one[0].session_time.astimezone(zone)
        return f"{local:%B %Y}" if is_rare else f"{local:%a} {local.day} {local:%b}"

    stretches = [
        Stretch(label, [_cell(*one, zone, is_rare) for one in found]) for label, found in groupby(slots, stretch)
    ]
    empty = [slot.session_time for slot, mark in past if mark is None and slot.run_time <= now]
    return Strip(stretches, len(empty), min(empty, default=None), max(empty, default=None), _kinds(past, now))


def _cell(slot: Slot, mark: SessionMark | None, is_coming: bool, zone: tzinfo, is_rare: bool) -> Cell:
    local = slot.session_time.astimezone(zone)
    label = str(local.day) if is_rare else f"{local:%H}" if not local.minute else f"{local:%H:%M}"
    at = f"{local:%a %Y-%m-%d %H:%M}"
    if is_coming:
        return Cell(label, f"{at}: to come, runs {slot.run_time.astimezone(zone):%a %H:%M}", None, "coming", None)
    if mark is None:
        return Cell(label, f"{at}: no session", None, "none", None)
    pill = PILLS[mark.status]
    more = f", {mark.attempts} attempts" if mark.attempts > 1 else ""
    return Cell(label, f"{at}: {pill.word.lower()}{more}", mark.session_id, FILLS[mark.status], pill.glyph)


def _kinds(past: Sequence[tuple[Slot, SessionMark | None]], now: datetime) -> list[tuple[str, str, int]]:
    counts: dict[tuple[str, str], int] = {}
    for slot, mark in past:
        if mark is not None:
            key = (FILLS[mark.status], PILLS[mark.status].word.lower())
        elif slot.run_time <= now:
            key = ("none", "without a session")
        else:
            continue
        counts[key] = counts.get(key, 0) + 1
    return [(fill, word, count) for (fill, word), count in counts.items()]
