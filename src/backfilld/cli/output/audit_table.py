"""Events of the audit log as lines for people."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from backfilld.cli.output.printing import compact, local, print_table, short_id, spelled

LONGEST_CHANGE = 60
LENGTH_OF_UUID = 36
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*(Z|[+-]\d\d:\d\d)")


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
            _named(event["subject"]),
            lasted(event, zone) or changed(event["old"], event["new"], zone),
            event["reason"],
        )
        rows.append([cell for name, cell in zip(header, cells, strict=True) if name in columns])
    print_table(columns, rows, empty="Nothing.")


def _named(subject: str) -> str:
    """`backfill/6f1c1a34`: where ids are shown by their beginning."""
    kind, slash, id = subject.partition("/")
    return f"{kind}/{short_id(id)}" if slash and len(id) == LENGTH_OF_UUID else subject


def _done(event: Mapping[str, Any]) -> str:
    """What was done and, if it was to an attempt, to which: `attempt.kill attempt/7 (session …)`."""
    action, subject, new = event["action"], event["subject"], event["new"]
    if subject.partition("/")[0] != "attempt":
        return str(action)
    session = f" (session {spelled(new['session_time'])})" if isinstance(new, dict) and "session_time" in new else ""
    return f"{action} {subject}{session}"


def lasted(event: Mapping[str, Any], zone: str | None = None) -> str | None:
    """`rate_limited until … (27 times)`, of what came and went."""
    if event.get("began_at") is None:
        return None
    ended = f"until {local(event['ended_at'], zone)}" if event["ended_at"] else "since then"
    times = "" if event["probes"] == 1 else f" ({event['probes']} times)"
    return f"{(event['new'] or {}).get('status_reason') or 'held'} {ended}{times}"


def changed(old: Any, new: Any, zone: str | None = None) -> str | None:
    """`status: running → paused`, of everything that differs; what was made or removed has no arrow."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return None
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    told = (f"{name}: {_short(old.get(name), zone)} → {_short(new.get(name), zone)}" for name in names)
    return ", ".join(told) or None


def _short(value: Any, zone: str | None) -> str:
    if isinstance(value, str):
        text = local(value, zone) or value if INSTANT.fullmatch(value) else value
    else:
        text = compact(value) or "-"
    return text if len(text) <= LONGEST_CHANGE else text[: LONGEST_CHANGE - 1] + "…"
