"""A schedule as a row of the list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from backfilld.domain.errors import Fault
from backfilld.domain.schedules import FINISHED_AT, Slot, parse_schedule_zone
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.schedules.overview import ScheduleSeen, SessionMark, State
from backfilld.web.pages.schedules.marks import Ticks, is_over, ticks_of
from backfilld.web.words import times
from backfilld.web.words.attempts import PILLS
from backfilld.web.words.rhythms import in_words
from backfilld.web.words.states import Pill

RECENT = 14
STATE_NAMES: Mapping[State, str] = {
    "attention": "Needs you", "on": "Enabled", "off": "Disabled", "finished": "Finished",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class When:
    """An instant as it is written, and everything about it."""

    text: str
    at: datetime
    whole: str


@dataclass(frozen=True, slots=True)
class Last:
    """The newest session. `at`: when it ended; None while it goes on."""

    session_id: int
    pill: Pill
    text: str
    at: datetime | None
    failed: bool


@dataclass(frozen=True, slots=True)
class Row:
    """What is seen of one."""

    id: int
    name: str
    project: str
    words: str
    place: str
    pill: Pill
    off: bool
    last: Last | None
    ticks: Ticks | None
    coming: Sequence[When]
    problem: str
    remedy: tuple[str, str] | None  # its word and its address


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that this version cannot read: it hides no other."""

    id: int
    name: str
    problem: str


def zone_of(stored: StoredSchedule) -> tzinfo:
    """The zone in which people are told the times of a schedule; UTC if its own cannot be read."""
    return zone_named(stored.timezone)


def zone_named(name: str) -> tzinfo:
    """The same of a name alone."""
    zone = parse_schedule_zone(name, "")
    return UTC if isinstance(zone, Fault) else zone


def when(at: datetime, zone: tzinfo, now: datetime) -> When:
    return When(times.clock_time(at, zone, now), at, times.whole(at, zone))


def pill_of(stored: StoredSchedule, *, last_failed: bool = False) -> Pill:
    """How a schedule stands."""
    if stored.next_session_at >= FINISHED_AT:
        return Pill("Finished", "done", "idle")
    if not stored.workflow_enabled:
        return Pill("Workflow disabled", "hold", "warn")
    if stored.disabled_at is not None:
        return Pill("Disabled", "hold", "idle")
    return Pill("Last failed", "alert", "bad") if last_failed else Pill("Enabled", "run", "run")


def row_of(seen: ScheduleSeen | UnreadableRow, state: State, now: datetime) -> Row | Unreadable:
    """The row as it stands `now`."""
    if isinstance(seen, UnreadableRow):
        return Unreadable(seen.id, seen.workflow_name, str(seen.problem))
    stored, zone = seen.stored, zone_of(seen.stored)
    last = _last(seen.recent[0], zone, now) if seen.recent else None
    is_off = state in ("off", "finished")
    return Row(
        id=stored.id,
        name=stored.workflow_name,
        project=stored.project_name,
        words=in_words(stored.definition.get("schedule")),
        place=times.place(zone),
        pill=pill_of(stored, last_failed=state == "attention"),
        off=is_off,
        last=last,
        ticks=ticks_of(seen.recent, zone),
        coming=[] if is_off else _coming(seen.coming, zone, now),
        problem=seen.problem,
        remedy=_remedy(stored, state, last),
    )


def _last(mark: SessionMark, zone: tzinfo, now: datetime) -> Last:
    text = times.clock_time(mark.session_time, zone, now)
    at = mark.finished_at if is_over(mark.status) else None
    pill = PILLS[mark.status]
    return Last(mark.session_id, pill, text, at, pill.tone == "bad")


def _coming(slots: Sequence[Slot], zone: tzinfo, now: datetime) -> list[When]:
    return [when(slot.run_time, zone, now) for slot in slots]


def _remedy(stored: StoredSchedule, state: State, last: Last | None) -> tuple[str, str] | None:
    if state == "attention" and last is not None:
        return "Retry…", f"/sessions/{last.session_id}/retry"
    if state == "off" and stored.disabled_at is not None:
        return "Enable…", f"/schedules/{stored.id}/enable"
    return None
