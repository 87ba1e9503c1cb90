"""The settings of a backfill, in words and as they are kept."""

from collections.abc import Iterator, Sequence
from typing import Any

from backfilld.domain.backfill_settings import FailurePolicy
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.pages.backfill.ledger import pretty
from backfilld.web.words.numbers import thousands

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_REPROCESS = {
    "none": "only what never ran with this workflow", "failed": "whatever has not succeeded yet",
    "completed": "everything, also what succeeded before",
}  # fmt: skip
_ORDER = {"source": "as the source has it", "newest_first": "newest first", "oldest_first": "oldest first"}


def rows_of(view: BackfillView) -> Sequence[tuple[str, str, str]]:
    """Name, words, and JSON where words are not all there is."""
    return list(_rows(view))


def _rows(view: BackfillView) -> Iterator[tuple[str, str, str]]:
    backfill, chosen = view.backfill, view.backfill.settings
    yield "Workflow", f"{backfill.workflow_name}, version {backfill.workflow_version}", ""
    if chosen.entity_type:
        yield "Records", chosen.entity_type, ""
        is_all = chosen.filter_spec == {}
        yield "Filter", "everything" if is_all else "", "" if is_all else pretty(chosen.filter_spec)
    if backfill.named_ids is not None:
        yield "Only these", f"{thousands(backfill.named_ids.count)} ids", ""
    yield "Openings", _windows(view), ""
    yield "Time zone", chosen.timezone, ""
    if chosen.excluded_dates:
        yield "Not on", ", ".join(sorted(day.isoformat() for day in chosen.excluded_dates)), ""
    yield "At once", f"at most {chosen.max_in_flight}", ""
    yield "Tries", f"at most {chosen.max_attempts} for each", ""
    yield "Order", _ORDER.get(chosen.order, chosen.order), ""
    yield "What ran before", _REPROCESS.get(chosen.reprocess_behavior, chosen.reprocess_behavior), ""
    if chosen.sample_size:
        yield "Sample", f"{thousands(chosen.sample_size)} first, then it waits", ""
    for name, words in (("starts_per_minute", "Starts a minute"), ("max_credits", "Credits at most")):
        value = getattr(chosen, name, None)
        if value is not None:
            yield words, thousands(value), ""
    if chosen.recheck:
        yield "Right before its start", "each is tested against the filter again", ""
    if (policy := chosen.failure_policy) is not None:
        yield "Stops by itself", _policy(policy), ""
    if chosen.params:
        yield "Parameters", "", pretty(dict(chosen.params))
    if chosen.reason:
        yield "Reason", chosen.reason, ""


def _policy(policy: FailurePolicy) -> str:
    if not policy.enabled:
        return "never, however much fails"
    share = f"when more than {policy.max_failure_ratio:.0%} of the last {policy.window} failed"
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
