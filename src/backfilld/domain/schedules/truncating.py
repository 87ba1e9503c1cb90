"""Which session time somebody means who names some time: cut to an hour or a day, or put on a schedule."""

from datetime import datetime, tzinfo

from backfilld.domain.errors import Fault, did_you_mean
from backfilld.domain.errors import nearest as nearest_names
from backfilld.domain.schedules.moments import parse_moments, the_session
from backfilld.domain.schedules.schedule import FINISHED_AT, Schedule
from backfilld.domain.schedules.zones import day_begins

MODES = ("second", "minute", "hour", "day", "schedule", "next_schedule")
TIME, MODE = "/query/session_time", "/query/mode"


def truncated(text: str, mode: str | None, zone: tzinfo, schedule: Schedule | None) -> datetime | Fault:
    """The session time; without a mode it is the second that `text` names, by the zone's clock if it has no offset.

    `schedule`: of the first slot that runs then or later; `next_schedule`: of the first slot later than that; where the
    schedule is finished by then it is the end of time, as in lists. Where the clocks show `text` twice, and that makes
    a difference, it is the session of the schedule if exactly one is.
    """
    instants = parse_moments(text, TIME, zone)
    if isinstance(instants, Fault):
        return instants
    meant: list[datetime] = []
    for at in instants:
        found = _slot(at, mode, schedule) if mode in ("schedule", "next_schedule") else _cut(at, mode, zone)
        if isinstance(found, Fault):
            return found
        meant.append(found)
    return the_session(meant, TIME, zone, schedule)


def off_schedule(schedule: Schedule, at: datetime) -> str | None:
    """What is to be said of a session time that the schedule does not have; None if it has it."""
    if schedule.stands_at(at):
        return None
    around = [slot.session_time for slot in (schedule.previous(at), schedule.next(at)) if slot is not None]
    nearest = min(around, key=lambda time: abs(time - at), default=None)
    shown = at.astimezone(schedule.zone).isoformat()
    if nearest is None:
        return f"{shown} is no session of the workflow's schedule, which has none"
    local = nearest.astimezone(schedule.zone).isoformat()
    return f"{shown} is no session of the workflow's schedule; the nearest is {local}"


def _slot(at: datetime, mode: str, schedule: Schedule | None) -> datetime | Fault:
    if schedule is None:
        return Fault(MODE, "no_schedule", "the workflow has no schedule")
    slot = schedule.first(at) if mode == "schedule" else schedule.next(at)
    return FINISHED_AT if slot is None else slot.session_time


def _cut(at: datetime, mode: str | None, zone: tzinfo) -> datetime | Fault:
    local = at.astimezone(zone)
    match mode:
        case None | "second":
            return at.replace(microsecond=0)
        case "minute":
            return local.replace(second=0, microsecond=0).astimezone(at.tzinfo)
        case "hour":
            return local.replace(minute=0, second=0, microsecond=0).astimezone(at.tzinfo)
        case "day":
            return datetime.fromtimestamp(day_begins(zone, local.date()), at.tzinfo)
    hint = did_you_mean(mode, MODES) or f"; there are {', '.join(MODES)}"
    message = f"there is no mode {mode[:40]!r}{hint}"
    return Fault(MODE, "invalid_value", message, nearest_names(mode, MODES) or MODES)
