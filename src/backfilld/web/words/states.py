"""What a backfill's status is called, with its mark and its colour; and what may be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from backfilld.domain.backfills.holding import ENTRIES, Group
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.operations.backfills.view import BackfillView

Glyph = Literal["run", "wait", "hold", "alert", "done"]
Tone = Literal["run", "idle", "warn", "bad", "ok"]
R, S = ReasonCode, Status


@dataclass(frozen=True, slots=True)
class Pill:
    """A word that is never without its mark."""

    word: str
    glyph: Glyph
    tone: Tone


_PAUSED: Mapping[ReasonCode, Pill] = {
    R.AWAITING_APPROVAL: Pill("Awaits approval", "hold", "warn"),
    R.SAMPLE_DONE: Pill("Sample done", "hold", "warn"),
    R.TOO_MANY_FAILURES: Pill("Stopped by itself", "alert", "bad"),
    R.BUDGET_EXHAUSTED: Pill("Stopped by itself", "alert", "bad"),
}
_ENDED: Mapping[Status, Pill] = {
    S.COMPLETED: Pill("Completed", "done", "ok"),
    S.CANCELLED: Pill("Cancelled", "wait", "idle"),
    S.FAILED: Pill("Failed", "alert", "bad"),
}
_SLOWED = frozenset({R.RATE_LIMITED, R.WAITING_FOR_CAPACITY, R.RECOVERING, R.DRAINING})
GROUP_NAMES: Mapping[Group, str] = {
    "attention": "Needs you", "working": "Working", "paused": "Paused", "waiting": "Waiting", "ended": "Ended",
}  # fmt: skip


def pill(view: BackfillView) -> Pill:
    """How a backfill stands, in a word or two."""
    status, code = view.backfill.status, view.reason.code if view.reason else None
    if status is S.COMPLETED_WITH_FAILURES:
        all_failed = view.counts.failed >= view.counts.processed > 0
        return Pill("All failed", "alert", "bad") if all_failed else Pill("Completed, with failures", "alert", "warn")
    if status in _ENDED:
        return _ENDED[status]
    if status is S.CANCELLING:
        return Pill("Cancelling", "wait", "idle")
    if code is R.STOPPED_BY_OPERATOR:
        return Pill("Stopped", "hold", "warn")
    if status is S.PAUSED:
        return _PAUSED.get(code, Pill("Paused", "hold", "idle")) if code else Pill("Paused", "hold", "idle")
    if code is not None and ENTRIES[code].needs_person:
        return Pill("Held up", "alert", "bad")
    if status is S.PLANNING:
        return Pill("Planning", "run", "run")
    if status is S.WAITING:
        return Pill("Waiting", "wait", "idle")
    return Pill("Slowed", "hold", "warn") if code is not None else Pill("Running", "run", "run")
