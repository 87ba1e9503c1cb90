"""The audit log: what of it somebody wants to see, and each event in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

import orjson

from backfilld.domain.instants import is_within_bounds
from backfilld.operations.auditing import AuditEvent, AuditFilter
from backfilld.web.words import times

LONGEST = 1_000
LONGEST_VALUE = 80
MOST_CHANGES = 6
ACTIONS = {
    "backfill": "Backfills", "workflow": "Workflows", "schedule": "Schedules", "attempt": "Attempts",
    "entities": "Entities", "project": "Projects", "brake": "Brakes", "target": "Targets",
    "notification": "Notifications", "api_key": "API keys", "daemon": "Stop and start of everything",
}  # fmt: skip
_WORDS = {
    "backfill.create": "created", "backfill.pause": "paused", "backfill.resume": "resumed",
    "backfill.approve": "approved", "backfill.cancel": "cancelled", "backfill.delete": "deleted",
    "backfill.rerun": "reran", "backfill.change": "changed", "backfill.try_now": "had it ask again at once",
    "backfill.override": "opened its windows", "daemon.stop_all": "stopped everything",
    "daemon.start_all": "started everything again", "api_key.create": "made a key", "api_key.revoke": "revoked a key",
    "workflow.create": "made a workflow", "workflow.edit": "changed a workflow",
    "workflow.delete": "deleted a workflow", "workflow.disable": "disabled a workflow",
    "brake.reset": "reset a brake", "brake.release": "held a brake open",
    "target.try_now": "had a target asked at once", "notification.resend": "sent messages again",
    "notification.test": "sent a test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for, as it was typed. `faults`: what of it cannot be understood."""

    who: str = ""
    action: str = ""
    subject: str = ""
    since: str = ""
    until: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        names = ("who", "action", "subject", "since", "until")
        given = {name: query.get(name, "").strip()[:LONGEST] for name in names}
        faults = {
            name: "like 2027-03-14, or 2027-03-14T09:00"
            for name in ("since", "until")
            if given[name] and instant_of(given[name]) is None
        }
        return cls(**given, faults=faults)

    def filter(self) -> AuditFilter:
        return AuditFilter(
            self.who or None, self.action or None, self.subject or None, instant_of(self.since), instant_of(self.until)
        )

    def query(self) -> dict[str, str]:
        """What of it is given, for an address."""
        given = {"who": self.who, "action": self.action, "subject": self.subject, "since": self.since}
        return {name: value for name, value in (given | {"until": self.until}).items() if value}


def instant_of(text: str) -> datetime | None:
    """UTC where no offset is written; None for what is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found if is_within_bounds(found) else None


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the log."""

    at: datetime
    time: str
    whole: str
    who: str
    what: str
    action: str
    subject: str
    backfill_id: UUID | None
    changes: tuple[str, ...]
    reason: str


def event_of(event: AuditEvent, now: datetime) -> Event:
    """One event in words; times in UTC."""
    return Event(
        at=event.at,
        time=times.clock_time(event.at, UTC, now, seconds=True),
        whole=times.whole(event.at, UTC),
        who=event.actor_name or event.actor,
        what=_WORDS.get(event.action, event.action.replace("_", " ").replace(".", ": ")),
        action=event.action,
        subject=event.subject,
        backfill_id=event.backfill_id,
        changes=tuple(_changes(event.old, event.new)),
        reason=event.reason or "",
    )


def _changes(old: Any, new: Any) -> Iterator[str]:
    """`status: running → paused`, of what differs; what was made or removed is told without an arrow."""
    before = old if isinstance(old, Mapping) else {}
    after = new if isinstance(new, Mapping) else {}
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not (before and after):
        yield from _of_one(before or after, names)
        return
    for name in names[:MOST_CHANGES]:
        yield f"{name.replace('_', ' ')}: {_short(before.get(name))} → {_short(after.get(name))}"
    if len(names) > MOST_CHANGES:
        yield f"and {len(names) - MOST_CHANGES} more"


def _of_one(made: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """What is plain of what was made or removed, in a line."""
    plain = [name for name in names if not isinstance(made[name], dict | list) and made[name] is not None]
    if plain:
        yield " · ".join(f"{name.replace('_', ' ')} {_short(made[name])}" for name in plain[:MOST_CHANGES])


def _short(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
