"""What is still to be done, as a glance at all active backfills shows it."""

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
