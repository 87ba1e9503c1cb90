"""What is still to be done, as a glance at everything that is active shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ActiveBackfills:
    """Those of one status and one reason code: how many, and what they have before them together."""

    status: str
    reason: str | None
    number: int
    pending: int = 0  # planned, and neither ended nor waiting for another try
    retrying: int = 0
    last_outcome_at: datetime | None = None
    next_opening_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Of both kinds of work: backfills, and what schedules fire."""

    backfills: Sequence[ActiveBackfills] = ()
    waiting_attempts: int = 0  # outside of backfills, not finished, and not under way
    next_run_at: datetime | None = None  # of the schedule that is due first; in the past: it waits
