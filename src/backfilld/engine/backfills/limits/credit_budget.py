"""What a backfill may spend: each start reserves what it may cost, and happens only if that fits under the cap."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Backfill, Item
from backfilld.domain.backfills.states import ReasonCode
from backfilld.engine.starting.start_gate import Refusal

NOTHING = Decimal(0)
_MAY_FIT_YET = Refusal("the credits that are left are reserved by what is in flight")


def amount(value: Decimal) -> int | float:
    """As it is told: whole where it is whole."""
    return int(value) if value == value.to_integral_value() else float(value)


class CreditBudget:
    """Of one backfill; `in_flight` are the positions that are so now.

    `cap` None: it may spend what it likes; what it has spent is known all the same.
    """

    def __init__(self, backfill: Backfill, in_flight: Collection[int], *, used: Decimal, highest: Decimal) -> None:
        self._per_entity = backfill.credits_per_entity or NOTHING
        self._in_flight = in_flight
        self._reserved: dict[int, Decimal] = {}
        self._used = used
        self._highest = highest
        self.cap: Decimal | None = None

    def __repr__(self) -> str:
        return f"<{self._used} used, {self._held} reserved, of {self.cap}>"

    @property
    def _reservation(self) -> Decimal:
        return max(self._per_entity, self._highest)

    @property
    def _held(self) -> Decimal:
        usual = self._reservation  # of those that were started when there was no cap
        return sum((self._reserved.get(position, usual) for position in self._in_flight), NOTHING)

    def spent(self, credits: Decimal) -> None:
        """What has ended says that it cost so much."""
        self._used += credits
        self._highest = max(self._highest, credits)

    def reserve(self, item: Item) -> None:
        """It starts."""
        self._reserved = {one: held for one, held in self._reserved.items() if one in self._in_flight}
        self._reserved[item.position] = self._reservation

    def refusal(self, at: datetime) -> Refusal | None:
        """Why nothing more may be spent. Without a reason: what is in flight may leave enough when it ends."""
        if self.cap is None:
            return None
        held, needs = self._held, self._reservation
        left = self.cap - self._used - held
        if self._used < self.cap and needs <= left:
            return None
        if self._used < self.cap and self._in_flight:
            return _MAY_FIT_YET
        reason = because(ReasonCode.BUDGET_EXHAUSTED, since=at, **self._facts(self.cap, held, left, needs))
        return Refusal.of(reason)

    def _facts(self, cap: Decimal, held: Decimal, left: Decimal, needs: Decimal) -> dict[str, Any]:
        return {
            "used": amount(self._used),
            "cap": amount(cap),
            "reserved": amount(held),
            "left": amount(max(left, NOTHING)),
            "needs": amount(needs),
        }
