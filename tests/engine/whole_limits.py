"""What the model knows of the limits of one backfill: a pace, a cap of credits, how much may fail."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backfilld.domain.backfill_settings import BackfillSettings, FailurePolicy, SlowDown

APART = 0.02
ROUNDING = 1e-6  # of seconds
LIMITS: dict[str, dict[str, Any]] = {
    "none": {},
    "pace": {"starts_per_minute": 60 / APART},
    "credits": {"max_credits": 5, "credits_per_entity": Decimal(1)},
    "latency": {"slow_down": SlowDown(latency_ms=5, over=4)},
    "approval": {"start": "when_approved"},
    "failures": {"failure_policy": FailurePolicy(window=6, min_sample=4, max_consecutive_failures=3)},
}


class KnownLimits:
    """`tripped`: a commit says that too much failed, and nobody asked to go on since."""

    def __init__(self, settings: BackfillSettings) -> None:
        self.cap = settings.max_credits
        self.apart = 60 / settings.starts_per_minute if settings.starts_per_minute else 0.0
        self.tripped = False
        self.follows = True  # whether what is kept of failures is of the policy in force
        self._last: dict[Any, float] = {}  # start, by owner: a new one may start one at once

    def fault_of(self, owner: object, asked_at: float, at: float) -> str | None:
        """What is wrong with a start between these two boot times."""
        last, self._last[owner] = self._last.get(owner), asked_at
        if self.tripped:
            return "a start after too much had failed"
        if last is not None and at - last < self.apart - ROUNDING:
            return f"a start {at - last:.3f} s after another, at a pace of one in {self.apart} s"
        return None

    def look(self, row: Mapping[str, Any]) -> None:
        """Hold the counters against the limits; all items cost 1, so nothing can overshoot."""
        if self.cap is not None:
            assert row["credits_used"] <= self.cap, dict(row)
            assert row["credits_used"] == row["has_credits"], dict(row)
        if self.follows and row["failure_counts"] is not None:
            counts = json.loads(row["failure_counts"])
            self.tripped = counts["trip"] is not None and counts["accepted"] == row["failures_accepted"]
