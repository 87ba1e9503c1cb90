"""The settings of a backfill as the fields of a form, what a form changes of them, and two forms that met.

Whoever edits sends along what the form said when he got it. So only what he has changed is asked for; and where
somebody else was faster, what both have changed is shown side by side, and what only one has changed is kept.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from backfilld.domain.backfills.records import Backfill
from backfilld.web.fields import limit_fields, window_fields
from backfilld.web.fields.limit_fields import number, shown

Fields = Mapping[str, str]
GROUPS: Mapping[str, Sequence[str]] = {
    "about": ("name",),
    "openings": ("daily_execution_windows", "timezone", "excluded_dates"),
    "limits": ("max_in_flight", "starts_per_minute", "max_attempts", "slow_down", "recheck"),
    "stops": ("failure_policy", "max_credits"),
}
_PLAIN = ("name", "timezone", "max_in_flight", "starts_per_minute", "max_attempts", "max_credits")
_TEXTS = ("name", "timezone")
_PREFIXES = {"daily_execution_windows": "w.", "failure_policy": "fp.", "slow_down": "slow."}
_OF_ENTITIES = frozenset({"recheck", "failure_policy"})  # sessions have no such settings
NAMES: Mapping[str, str] = limit_fields.NAMES | {
    "/daily_execution_windows": "w.0.from", "/failure_policy": "fp.ratio", "/slow_down": "slow.ms",
    "/recheck": "recheck", "/excluded_dates": "excluded_dates", "/reason": "reason",
    **{f"/{name}": name for name in _PLAIN},
}  # fmt: skip


def keys_of(backfill: Backfill, groups: Sequence[str]) -> tuple[str, ...]:
    """The settings in these groups that can be edited."""
    named = (key for group, keys in GROUPS.items() if group in groups for key in keys)
    return tuple(key for key in named if not (backfill.is_schedule and key in _OF_ENTITIES))


def fields_of(backfill: Backfill) -> dict[str, str]:
    """The form as the backfill stands."""
    chosen = backfill.settings
    made = {name: shown(value) for name in _PLAIN if (value := getattr(chosen, name)) is not None}
    made["excluded_dates"] = ", ".join(sorted(day.isoformat() for day in chosen.excluded_dates))
    made["recheck"] = "yes" if chosen.recheck else "no"
    made |= window_fields.fields_of(chosen.daily_execution_windows or {})
    policy, slow = chosen.failure_policy, chosen.slow_down
    made |= limit_fields.fields_of(asdict(policy) if policy else {"enabled": False}, asdict(slow) if slow else {})
    return made


def body_of(fields: Fields) -> dict[str, Any]:
    """All that a form says, as a request carries it; what is blank goes back to its default."""
    week = window_fields.week_of(window_fields.rows_of(fields))
    texts = {name: fields.get(name) or None for name in _PLAIN}
    dates = fields.get("excluded_dates", "").replace(",", "\n").split("\n")
    return {name: text if text is None or name in _TEXTS else number(text) for name, text in texts.items()} | {
        "daily_execution_windows": week.windows,
        "excluded_dates": [day.strip() for day in dates if day.strip()],
        "failure_policy": limit_fields.policy_of(fields),
        "slow_down": limit_fields.slow_down_of(fields),
        "recheck": fields.get("recheck") == "yes",
    }


def names_of(fields: Fields) -> dict[str, str]:
    """In which field a fault of the body is mended, by its JSON Pointer."""
    week = window_fields.week_of(window_fields.rows_of(fields))
    return dict(NAMES) | {"/daily_execution_windows" + at: name for at, name in week.names.items()}


def faults_of(fields: Fields, keys: Sequence[str]) -> dict[str, str]:
    """What is wrong with a form that its body does not show."""
    if "daily_execution_windows" not in keys:
        return {}
    dayless = window_fields.week_of(window_fields.rows_of(fields)).dayless
    return {f"{at}.from": "choose the days on which it is open" for at in dayless}


def patch_of(fields: Fields, was: Fields, keys: Sequence[str]) -> dict[str, Any]:
    """What a form asks to be different from what it said at first."""
    wanted, before = body_of(fields), body_of(was)
    return {key: wanted[key] for key in keys if wanted[key] != before[key]}


@dataclass(slots=True)
class Met:
    """A form after somebody else has changed the same backfill. `clashes` are of both, `taken` of the other alone."""

    fields: dict[str, str]
    clashes: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)


def meet(fields: Fields, was: Fields, present: Fields, keys: Sequence[str]) -> Met:
    """What was typed stays; what was not touched becomes what it is by now."""
    typed, before, now = body_of(fields), body_of(was), body_of(present)
    met = Met(dict(fields))
    for key in keys:
        if typed[key] != before[key]:
            if now[key] not in (before[key], typed[key]):
                met.clashes.append(key)
            continue
        met.fields = {name: value for name, value in met.fields.items() if not _is_of(key, name)}
        met.fields |= {name: value for name, value in present.items() if _is_of(key, name)}
        if now[key] != before[key]:
            met.taken.append(key)
    return met


def _is_of(key: str, name: str) -> bool:
    return name.startswith(_PREFIXES[key]) if key in _PREFIXES else name == key


def written(fields: Fields) -> str:
    """A form in one field."""
    return json.dumps(dict(fields), ensure_ascii=False)


def read(text: str) -> dict[str, str]:
    """What such a field says; of one that was made up, nothing."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
