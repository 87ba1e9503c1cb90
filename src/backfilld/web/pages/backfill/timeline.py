"""What happened to a backfill, in the words of its pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import groupby
from typing import Any

from backfilld.operations.auditing import AuditEvent
from backfilld.web.words import times

_DONE = {
    "backfill.create": "created it", "backfill.pause": "paused it", "backfill.resume": "resumed it",
    "backfill.approve": "approved it", "backfill.cancel": "cancelled it", "backfill.delete": "deleted it",
    "backfill.rerun": "reran what failed", "backfill.change": "changed its settings",
    "backfill.try_now": "had it ask again at once",
    "backfill.taken_over": "another daemon went on with it", "daemon.stop_all": "stopped everything",
    "daemon.start_all": "started everything again", "schedule.enable": "enabled it",
    "schedule.disable": "disabled it", "schedule.skip": "skipped sessions",
    "schedule.advance": "moved it on with a backfill", "attempt.start": "started an attempt",
    "attempt.kill": "killed an attempt",
}  # fmt: skip
_STATUSES = {
    "planning": "planning", "running": "running", "waiting": "waiting", "paused": "paused", "cancelling": "cancelling",
    "cancelled": "cancelled", "completed": "completed", "completed_with_failures": "completed, with failures",
    "failed": "failed",
}  # fmt: skip
_WHY = {
    "outside_window": "its windows are closed", "never_opens": "its windows never open",
    "awaiting_approval": "for approval", "sample_done": "the sample is done", "too_many_failures": "too many failed",
    "budget_exhausted": "its credits are used up", "workflow_disabled": "its workflow is disabled",
    "stopped_by_operator": "everything was stopped", "recovering": "repeating what a killed daemon may have started",
}  # fmt: skip
_OUTAGES = {
    "target_unreachable": "The target could not be reached", "target_refuses": "The target refused us",
    "no_workers": "The queue had no workers",
    "engine_unreachable": "The engine could not be reached",
    "source_unreachable": "The records could not be read", "rate_limited": "The target asked us to slow down",
    "waiting_for_capacity": "It waited for room", "waiting_for_retry": "Only retries were left",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    id: int
    time: str
    at: datetime
    whole: str
    who: str
    what: str
    quote: str


@dataclass(frozen=True, slots=True)
class DayOfEvents:
    """Those of one local day."""

    label: str
    events: Sequence[Event]


def days_of(events: Sequence[AuditEvent], zone: tzinfo, now: datetime) -> Sequence[DayOfEvents]:
    """Newest first, a heading for each day."""
    shown = [(one.at.astimezone(zone).date(), _event(one, zone)) for one in events]
    today = now.astimezone(zone).date()
    return [
        DayOfEvents(_day(day, today), [event for _, event in group])
        for day, group in groupby(shown, key=lambda pair: pair[0])
    ]


def word_of(code: str) -> str:
    """Why nothing started, in a few words."""
    told = _OUTAGES.get(code) or _WHY.get(code) or code.replace("_", " ")
    return told[:1].upper() + told[1:]


def _day(day: date, today: date) -> str:
    if day == today:
        return "Today"
    return f"{day:%A}, {day.day} {day:%B}" + (f" {day.year}" if day.year != today.year else "")


def _event(event: AuditEvent, zone: tzinfo) -> Event:
    what, quote = _told(event, zone)
    is_engine = event.actor == "system"
    return Event(
        id=event.id,
        time=f"{event.at.astimezone(zone):%H:%M}",
        at=event.at,
        whole=times.whole(event.at, zone),
        who="" if is_engine else event.actor_name or event.actor.partition(":")[0],
        what=what,
        quote=quote,
    )


def _told(event: AuditEvent, zone: tzinfo) -> tuple[str, str]:
    if event.action == "backfill.outage":
        return _outage(event, zone), event.reason or ""
    if event.action == "backfill.status":
        return _move(event), ""
    if event.action == "backfill.change":
        return f"changed {', '.join(_changed(event)) or 'its settings'}", event.reason or ""
    return _DONE.get(event.action, event.action.replace("_", " ").replace(".", " ")), event.reason or ""


def _outage(event: AuditEvent, zone: tzinfo) -> str:
    code = str(_of(event.new, "status_reason"))
    word = _OUTAGES.get(code, code.replace("_", " ").capitalize())
    times_asked = f", looked at {event.probes} times" if event.probes and event.probes > 1 else ""
    if event.ended_at is None:
        return f"{word}: since {event.at.astimezone(zone):%H:%M}{times_asked}"
    return f"{word}, until {event.ended_at.astimezone(zone):%H:%M}{times_asked}"


def _move(event: AuditEvent) -> str:
    status = str(_of(event.new, "status"))
    code = _of(event.new, "status_reason")
    word = _STATUSES.get(status, status)
    because = f": {_WHY[code]}" if code in _WHY else ""
    return f"{word[:1].upper()}{word[1:]}{because}"


def _of(value: Any, name: str) -> Any:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found.get("code") if isinstance(found, Mapping) else found


def _changed(event: AuditEvent) -> Iterator[str]:
    if not isinstance(event.new, Mapping):
        return
    old = event.old if isinstance(event.old, Mapping) else {}
    for name, value in event.new.items():
        if name in ("status", "status_reason"):
            continue
        word = name.replace("_", " ")
        is_short = not isinstance(value, dict | list) and not isinstance(old.get(name), dict | list)
        yield f"{word} from {_value(old.get(name))} to {_value(value)}" if is_short else word


def _value(value: Any) -> str:
    return "none" if value is None else str(value)
