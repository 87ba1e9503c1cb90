"""What somebody asks for when he asks for a backfill: the settings that need no looking up.

What needs looking up (the workflow, the filter's known fields, what the windows come to) is found out by
`operations.checking`, which is also where the two are put together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

Order = Literal["source", "newest_first", "oldest_first"]
Reprocess = Literal["none", "failed", "completed"]
Start = Literal["now", "when_approved"]

MOST_NAME = 200
MOST_REASON = 2000
MOST_ENTITY_IDS = 100_000
MOST_SAMPLE = 10_000
MOST_ATTEMPTS = 20
MOST_PARAMS_BYTES = 16 * 1024
MOST_EXCLUDED_DATES = 1_000


@dataclass(frozen=True, slots=True)
class BackfillSettings:
    """A request whose every value is of the right type and in bounds. `filter_spec` and `windows` are as sent."""

    entity_type: str
    filter_spec: Any
    windows: Mapping[str, Any]
    timezone: str
    max_in_flight: int
    total_estimated: int | None = None
    name: str | None = None
    reason: str | None = None
    start: Start = "now"
    entity_ids: tuple[str, ...] | None = None  # distinct
    order: Order = "source"
    reprocess_behavior: Reprocess = "failed"
    sample_size: int | None = None
    max_attempts: int | None = None
    excluded_dates: frozenset[date] = frozenset()
    params: Mapping[str, Any] = field(default_factory=dict)
