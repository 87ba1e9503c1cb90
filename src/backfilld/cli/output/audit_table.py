"""Events of the audit log as lines for people."""

from collections.abc import Iterable, Mapping
from typing import Any

from backfilld.cli.output.printing import compact, local, print_table

LONGEST_CHANGE = 60


def print_events(events: Iterable[Mapping[str, Any]], *, with_subject: bool, zone: str | None = None) -> None:
    """A table of events; `with_subject` unless all of them are of one thing."""
    header = ("AT", "WHO", "WHAT", "TO", "CHANGED", "WHY")
    columns = [name for name in header if with_subject or name != "TO"]
    rows = []
    for event in events:
        cells = (
            local(event["at"], zone),
            event["actor_name"] or event["actor"],
            event["action"] if with_subject else _done(event),
            event["subject"],
            lasted(event, zone) or changed(event["old"], event["new"]),
            event["reason"],
        )
        rows.append([cell for name, cell in zip(header, cells, strict=True) if name in columns])
    print_table(columns, rows, empty="Nothing.")


def _done(event: Mapping[str, Any]) -> str:
    """What was done and, if it was to an attempt, to which: `attempt.kill attempt/7 (session …)`."""
    action, subject, new = event["action"], event["subject"], event["new"]
    if subject.partition("/")[0] != "attempt":
        return str(action)
    session = f" (session {new['session_time']})" if isinstance(new, dict) and "session_time" in new else ""
    return f"{action} {subject}{session}"


def lasted(event: Mapping[str, Any], zone: str | None = None) -> str | None:
    """`rate_limited until … (27 times)`, of what came and went."""
    if event.get("began_at") is None:
        return None
    ended = f"until {local(event['ended_at'], zone)}" if event["ended_at"] else "since then"
    times = "" if event["probes"] == 1 else f" ({event['probes']} times)"
    return f"{event['new']['status_reason']} {ended}{times}"


def changed(old: Any, new: Any) -> str | None:
    """`status: running → paused`, of everything that differs; what was made or removed has no arrow."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return None
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name}: {_short(old.get(name))} → {_short(new.get(name))}" for name in names) or None


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else compact(value) or "-"
    return text if len(text) <= LONGEST_CHANGE else text[: LONGEST_CHANGE - 1] + "…"
