"""What is kept of a brake in the database, and so for all daemons and over restarts."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """That it is latched, and until when it is released."""

    critical_at: datetime | None = None
    critical_value: float | None = None
    released_until: datetime | None = None
    released_by: str | None = None
    release_reason: str | None = None

    def is_released(self, now: datetime) -> bool:
        """True while somebody's word holds it open."""
        return self.released_until is not None and now < self.released_until


@dataclass(frozen=True, slots=True)
class Episode:
    """One time a brake held. `ended_at` None: it still does."""

    why: str
    began_at: datetime
    ended_at: datetime | None
    worst: float | None
