"""The settings of a backfill, in words and as they are kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backfilld.domain.backfill_settings import FailurePolicy, SlowDown
from backfilld.operations.auditing import LastChange
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.pages.backfill.edit_form import GROUPS
from backfilld.web.words.documents import pretty
from backfilld.web.words.numbers import thousands

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_REPROCESS = {
    "none": "only what never ran with this workflow", "failed": "whatever has not succeeded yet",
    "completed": "everything, also what succeeded before",
}  # fmt: skip
_ORDER = {"source": "as the source has it", "newest_first": "newest first", "oldest_first": "oldest first"}


TITLES = {
    "name": "Name", "daily_execution_windows": "Openings", "timezone": "Time zone", "excluded_dates": "Not on",
    "max_in_flight": "At once", "starts_per_minute": "Starts a minute", "max_attempts": "Tries",
    "slow_down": "Slows down", "recheck": "Right before its start", "failure_policy": "Too many failures",
    "max_credits": "Credits",
}  # fmt: skip
GROUP_TITLES = {"about": "What runs", "openings": "When", "limits": "How much", "stops": "When it stops by itself"}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting in words, and as JSON where words are not all there is; `changed` is who changed it last."""

    name: str
    words: str
    json: str = ""
    changed: LastChange | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that are edited together."""

    name: str
    title: str
    rows: Sequence[Row]


def groups_of(view: BackfillView, changes: Mapping[str, LastChange]) -> Sequence[Group]:
    """All settings, with what can be changed on its way beside what cannot."""
    words = words_of(view)
    made = []
    for group, keys in GROUPS.items():
        rows = [Row(TITLES[key], words[key], changed=changes.get(key)) for key in keys if key in words]
        made.append(Group(group, GROUP_TITLES[group], [*rows, *(_fixed(view) if group == "about" else ())]))
    return made


def words_of(view: BackfillView) -> Mapping[str, str]:
    """What can be changed, by the names of the settings."""
    chosen = view.backfill.settings
    made = {
        "name": chosen.name or "none",
        "daily_execution_windows": _windows(view),
        "timezone": chosen.timezone,
        "excluded_dates": ", ".join(sorted(day.isoformat() for day in chosen.excluded_dates)) or "every day counts",
        "max_in_flight": f"at most {chosen.max_in_flight}",
        "starts_per_minute": f"at most {thousands(chosen.starts_per_minute)}"
        if chosen.starts_per_minute
        else "no limit",
        "max_attempts": f"at most {chosen.max_attempts} for each",
        "slow_down": _slow_down(chosen.slow_down),
        "max_credits": f"at most {thousands(chosen.max_credits)}" if chosen.max_credits else "no limit",
    }
    if not view.backfill.is_schedule:
        made["recheck"] = "each is tested against the filter again" if chosen.recheck else "nothing is tested again"
        made["failure_policy"] = _policy(chosen.failure_policy)
    return made


def _fixed(view: BackfillView) -> Iterator[Row]:
    backfill, chosen = view.backfill, view.backfill.settings
    yield Row("Workflow", f"{backfill.workflow_name}, version {backfill.workflow_version}")
    if chosen.entity_type:
        yield Row("Records", chosen.entity_type)
        is_all = chosen.filter_spec == {}
        yield Row("Filter", "everything" if is_all else "", "" if is_all else pretty(chosen.filter_spec))
    if backfill.named_ids is not None:
        yield Row("Only these", f"{thousands(backfill.named_ids.count)} ids")
    yield Row("Order", _ORDER.get(chosen.order, chosen.order))
    yield Row("What ran before", _REPROCESS.get(chosen.reprocess_behavior, chosen.reprocess_behavior))
    if chosen.sample_size:
        yield Row("Sample", f"{thousands(chosen.sample_size)} first, then it waits")
    if chosen.rehearsal:
        yield Row("Rehearsal", "the target does nothing for real")
    if chosen.params:
        yield Row("Parameters", "", pretty(dict(chosen.params)))
    if chosen.reason:
        yield Row("Reason", chosen.reason)


def _slow_down(setting: SlowDown | None) -> str:
    if setting is None:
        return "never"
    share = setting.of.removeprefix("p")
    return f"when {share} % of the last {setting.over} took longer than {thousands(setting.latency_ms)} ms"


def _policy(policy: FailurePolicy | None) -> str:
    if policy is None or not policy.enabled:
        return "never, however much fails"
    share = f"more than {policy.max_failure_ratio:.0%} of the last {policy.window} failed"
    return f"{share} (after {policy.min_sample}), or {policy.max_consecutive_failures} in a row"


def _windows(view: BackfillView) -> str:
    effective: Any = view.effective_windows
    if effective is None:
        return "always" if view.backfill.settings.daily_execution_windows is None else "cannot be read"
    days = [(day, _spans(effective.get(day) or [])) for day in _DAYS]
    if all(spans == "00:00–24:00" for _, spans in days):
        return "always"
    groups: dict[str, list[str]] = {}
    for day, spans in days:
        groups.setdefault(spans, []).append(day[:2].capitalize())
    return " · ".join(f"{' '.join(names)} {spans or 'closed'}" for spans, names in groups.items())


def _spans(spans: Any) -> str:
    return ", ".join(f"{one['run_start_time'][:5]}–{one['run_end_time'][:5]}" for one in spans)
