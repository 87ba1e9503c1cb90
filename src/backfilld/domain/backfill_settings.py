"""What somebody may choose about a backfill.

One record from the request to the row, the run, the answer and the rerun, under the names of the HTTP contract. So a
new setting is a field here, a field of the body and of the answer that carry it, and whoever acts on it.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import date
from typing import Any, Literal

Order = Literal["source", "newest_first", "oldest_first"]
Reprocess = Literal["none", "failed", "completed"]
Start = Literal["now", "when_approved", "when_approved_by_another"]

Percentile = Literal["p50", "p75", "p90", "p95", "p99"]

MOST_NAME = 200
MOST_REASON = 2000
MOST_ENTITY_IDS = 100_000
MOST_SAMPLE = 10_000
MOST_ATTEMPTS = 20
MOST_PARAMS_BYTES = 16 * 1024
MOST_EXCLUDED_DATES = 1_000
DEFAULT_MAX_ATTEMPTS = 3
DEFAULT_ZONE = "UTC"
MOST_FAILURE_WINDOW = 1_000


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """When a backfill stops by itself because too much fails.

    Of the last `window` items that succeeded or failed, at least `min_sample`, more than `max_failure_ratio` failed; or
    `max_consecutive_failures` in a row. 1 ≤ `min_sample` ≤ `window`; 0 < ratio ≤ 1.
    """

    enabled: bool = True
    max_failure_ratio: float = 0.5
    window: int = 200
    min_sample: int = 50
    max_consecutive_failures: int = 20


@dataclass(frozen=True, slots=True)
class SlowDown:
    """Fewer at once while the target is slow: the `of` percentile of the last `over` tries is above `latency_ms`."""

    latency_ms: float
    of: Percentile = "p90"
    over: int = 20


@dataclass(frozen=True, slots=True)
class BackfillSettings:
    """Values of the right type and in bounds; `filter_spec`, `daily_execution_windows` and `params` are as sent.

    The default of a field is also what it means for backfills that were stored before there was such a setting.
    Of kind `schedule`, `entity_type` and `filter_spec` are None. Windows that are None are always open. Without a
    `failure_policy` nothing stops it, however much fails; whoever makes one over entities gives it one. With `recheck`
    an entity is tested again right before its first start, and left out if it matches no more.
    """

    entity_type: str | None
    filter_spec: Any
    daily_execution_windows: Mapping[str, Any] | None
    timezone: str
    max_in_flight: int
    max_attempts: int
    total_estimated: int | None = None
    name: str | None = None
    reason: str | None = None
    start: Start = "now"
    order: Order = "source"
    reprocess_behavior: Reprocess = "failed"
    sample_size: int | None = None
    excluded_dates: frozenset[date] = frozenset()
    params: Mapping[str, Any] = field(default_factory=dict)
    rehearsal: bool = False
    stop_on_failure: bool = False
    failure_policy: FailurePolicy | None = None
    max_credits: float | None = None
    starts_per_minute: float | None = None
    slow_down: SlowDown | None = None
    recheck: bool = False

    @staticmethod
    def default(name: str) -> Any:
        """What the setting of that name is, if nobody chooses it."""
        (found,) = (one for one in fields(BackfillSettings) if one.name == name)
        return found.default if found.default_factory is MISSING else found.default_factory()

    @property
    def hours(self) -> tuple[Any, ...]:
        """What says when items may start."""
        return self.daily_execution_windows, self.timezone, self.excluded_dates

    def to_be_approved_by_another(self) -> "BackfillSettings":
        """The same, held until somebody else than its creator has looked at the plan."""
        return replace(self, start="when_approved_by_another")

    def for_rerun(self, *, reason: str | None, name: str | None = None) -> "BackfillSettings":
        """Those of a child that runs chosen items again: everything is kept but what chose the items, or held them
        until somebody had looked; `name` and `reason` are the child's own."""
        return replace(
            self,
            name=name,
            reason=reason,
            start=self.start if self.start == "when_approved_by_another" else "now",
            sample_size=None,
            reprocess_behavior="completed",
            total_estimated=None,
            recheck=False,
        )


def usual_attempts(definition: Mapping[str, Any]) -> int:
    """Tries per item of a workflow so defined, unless a backfill says otherwise."""
    return int(definition.get("max_attempts") or DEFAULT_MAX_ATTEMPTS)


def usual_zone(definition: Mapping[str, Any]) -> str:
    """The zone of a workflow so defined."""
    return str(definition.get("timezone") or DEFAULT_ZONE)


def can_rehearse(definition: Mapping[str, Any]) -> bool:
    """Whether the target of a workflow so defined does nothing for real where it is told so."""
    return bool(definition.get("rehearsal"))
