"""What a backfill shares with others of its daemon, and with whom: places, a target and its budget, an API's budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from backfilld.domain.backfills.owner.word import Shared
from backfilld.domain.backfills.slowing import Slowed
from backfilld.domain.texts import many

NAMED: Final = 3  # so many are named, the others counted


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A backfill that this daemon runs. `target`: the origin it sends to; `budget`: of its target, as the configuration
    names it; `connection`: to the API that its entities come from; None where there is none."""

    name: str
    in_flight: int
    target: str
    budget: str | None = None
    connection: str | None = None


@dataclass(frozen=True, slots=True)
class Sharing:
    """Of `one`, with the `others`. `live`: attempts in flight that no backfill carries."""

    places_in_use: int
    places: int
    one: Neighbour
    others: Sequence[Neighbour] = ()
    live: int = 0
    slowed: Slowed | None = None  # how it follows the latency of its target, if it does
    turn_at: datetime | None = None  # when its own pace lets the next one start; None: now, as far as that goes

    def known(self) -> dict[str, Any]:
        """What sentences may name."""
        return self.shared().known()

    def shared(self) -> Shared:
        """The same, without the others themselves."""
        return Shared(self.places_in_use, self.places, self.slowed, self.turn_at, self._names())

    def _names(self) -> dict[str, str | None]:
        """Who has the places, and who else uses what it waits for. None: nobody else."""
        me, others = self.one, self.others
        return {
            "holders": self._holders(),
            "others_at_target": _listed(other.name for other in others if other.target == me.target),
            "others_at_budget": _listed(other.name for other in others if me.budget and other.budget == me.budget),
            "others_at_source": _listed(
                other.name for other in others if me.connection and other.connection == me.connection
            ),
        }

    def _holders(self) -> str | None:
        holders = sorted((one for one in (self.one, *self.others) if one.in_flight), key=lambda one: -one.in_flight)
        told = [f"{_quoted(one.name)} {one.in_flight}" for one in holders[:NAMED]]
        if rest := sum(one.in_flight for one in holders[NAMED:]):
            told.append(f"{many(len(holders) - NAMED, 'other', 'others')} {rest}")
        if self.live:
            told.append(f"attempts outside of backfills {self.live}")
        return ", ".join(told) or None


def _quoted(name: str) -> str:
    return f"“{name}”"


def _listed(names: Iterable[str]) -> str | None:
    """`“a”, “b” and 2 others`."""
    found = sorted(names)
    if not found:
        return None
    told = [_quoted(name) for name in found[:NAMED]]
    if len(found) > NAMED:
        told.append(many(len(found) - NAMED, "other", "others"))
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
