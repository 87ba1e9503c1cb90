"""What the owner of a backfill says of it, for those who ask another daemon.

It stands beside the lease and is written with each renewal, so it is a second old at most, and of no use once the
lease is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.slowing import Slowed


@dataclass(frozen=True, slots=True)
class Shared:
    """What it shares with others of its daemon, as `Sharing` tells it. `names`: of those others, by what is shared."""

    places_in_use: int
    places: int
    slowed: Slowed | None = None
    turn_at: datetime | None = None
    names: Mapping[str, str | None] = field(default_factory=dict)

    def known(self) -> dict[str, Any]:
        """What sentences may name."""
        return {"turn": self.turn_at, **self.names}


@dataclass(frozen=True, slots=True)
class OwnersWord:
    """`hold`: why nothing starts; `reasons`: all that keeps something from starting, in the order of the gate."""

    hold: Reason | None
    reasons: Sequence[Reason] = ()
    sharing: Shared | None = None
