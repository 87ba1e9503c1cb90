"""The gate in front of one attempt outside of backfills.

That its workflow is disabled is looked at when the beginning of its try is written down; what is left to look at here
is what may change in the very last moment.
"""

from datetime import datetime

from backfilld.domain.backfills.records import Item
from backfilld.engine.starting.start_gate import Refusal, StartGate


class AttemptGate(StartGate[Item]):
    """Closed for good once somebody wants the attempt to be killed."""

    is_live = True
    is_in_flight = False

    @property
    def is_killed(self) -> bool:
        return self._first is not None

    def kill(self) -> None:
        """Start it no more."""
        self._first = Refusal("it is to be killed")

    def _admit(self, item: Item, at: datetime) -> None:
        self.is_in_flight = True

    def _left(self, item: Item) -> None:
        self.is_in_flight = False
