"""An engine that runs nothing: it remembers what it was told, and says what a test wants it to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.owner.word import OwnersWord
from backfilld.domain.backfills.records import InFlight
from backfilld.domain.errors import Unavailable


@dataclass(frozen=True)
class FakeLive:
    """In place of `engine.control.Live`."""

    in_flight: frozenset[int] = frozenset()
    in_flight_retries: int = 0
    hold: Reason | None = None
    reasons: tuple[Reason, ...] = ()
    items: dict[int, InFlight] = field(default_factory=dict)
    sharing: Any = None


@dataclass
class FakeControl:
    """In place of `engine.control.Control`."""

    nudges: int = 0
    confirmed: list[tuple[int, int]] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    lives: dict[int, FakeLive] = field(default_factory=dict)
    said: dict[int, OwnersWord | None] = field(default_factory=dict)  # by owners in other daemons
    is_deaf: bool = False  # nobody confirms anything
    stopped: Reason | None = None

    def nudge(self) -> None:
        self.nudges += 1

    def expect_opening(self, backfill_number: int) -> None:
        self.opened.append(backfill_number)

    async def confirm(self, backfill_number: int, version: int) -> None:
        if self.is_deaf:
            raise Unavailable("nobody has confirmed it yet", code="not_confirmed", retry_after_seconds=1)
        self.confirmed.append((backfill_number, version))

    def stop_reason(self) -> Reason | None:
        return self.stopped

    async def in_flight(self, backfill_number: int) -> dict[int, InFlight]:
        live = self.live(backfill_number)
        return {} if live is None else {position: live.items.get(position) for position in live.in_flight}

    async def words(self, backfill_numbers: Sequence[int]) -> Mapping[int, OwnersWord | None]:
        return {number: self.said.get(number, OwnersWord(None)) for number in backfill_numbers}

    def live(self, backfill_number: int) -> FakeLive | None:
        return self.lives.get(backfill_number)
