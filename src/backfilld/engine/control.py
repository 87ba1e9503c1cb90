"""How operations reach the engine: nudge it, wait for its word, look at what is live.

A pause or cancel is answered only when nothing can start any more. If the backfill runs here, that is
known as soon as its gate has the new status and whatever had passed it is out. If another daemon runs it,
that daemon hears of the change by NOTIFY (or by its next renewal) and writes down the version that it
obeys; and if its lease runs out first, it may start nothing anyway.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.owner.sharing import Sharing
from backfilld.domain.backfills.owner.word import OwnersWord, Shared
from backfilld.domain.backfills.records import InFlight
from backfilld.domain.errors import Unavailable
from backfilld.engine.backfills.scheduler import Scheduler
from backfilld.engine.starting.leases import LeaseGone
from backfilld.store.backfills.leases import LeaseStore

CONFIRM_SECONDS = 10.0
ASKS_EVERY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Live:
    """What only the owner knows: positions in flight, how many of them are retries, and why nothing starts now.

    `reasons`: all that keeps something from starting, in the order of the gate. `sharing`: what it shares with others.
    """

    in_flight: frozenset[int]
    in_flight_retries: int
    hold: Reason | None
    reasons: Sequence[Reason] = ()
    items: Mapping[int, InFlight] = field(default_factory=dict)
    sharing: Sharing | Shared | None = None


class Control:
    """The engine as operations see it."""

    def __init__(self, scheduler: Scheduler, leases: LeaseStore, clock: Clock) -> None:
        self._scheduler = scheduler
        self._leases = leases
        self._clock = clock

    def nudge(self) -> None:
        """Something changed: look now."""
        self._scheduler.nudge()

    def expect_opening(self, backfill_number: int) -> None:
        """Its windows are about to be opened by a change: whoever takes it up here fills its slots over the ramp."""
        self._scheduler.expect_opening(backfill_number)

    async def in_flight(self, backfill_number: int) -> Mapping[int, InFlight]:
        """What is being worked on, by position: of the runner here, else as its owner wrote it down a moment ago."""
        live = self.live(backfill_number)
        if live is not None:
            return live.items
        return {one.position: one for one in await self._leases.list_in_flight(backfill_number)}

    async def words(self, backfill_numbers: Sequence[int]) -> Mapping[int, OwnersWord | None]:
        """What owners in other daemons said a moment ago; None of one that has said nothing yet. Those that nobody
        owns are not in it."""
        return await self._leases.list_words(backfill_numbers) if backfill_numbers else {}

    async def confirm(self, backfill_number: int, version: int) -> None:
        """Return once nothing starts any more that `version` forbids; Unavailable `not_confirmed` after 10 s."""
        self.nudge()
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self._confirmed(backfill_number, version)
        except TimeoutError:
            raise Unavailable(
                "it is written down, but the daemon that runs this backfill has not confirmed it yet; ask again",
                code="not_confirmed",
                retry_after_seconds=1,
            ) from None

    async def _confirmed(self, backfill_number: int, version: int) -> None:
        while True:
            runner = self._scheduler.runner(backfill_number)
            if runner is not None:
                with contextlib.suppress(LeaseGone):  # then the owner is somebody else, who is asked next
                    if await runner.learn() >= version:
                        return
            owner = await self._leases.find_owner(backfill_number)
            if owner is None or owner.acknowledged_version >= version:
                return
            await self._clock.sleep(ASKS_EVERY_SECONDS)

    def stop_reason(self) -> Reason | None:
        """Why nothing may start anywhere, by an operator's word; None if something may."""
        return self._scheduler.stop_reason

    def live(self, backfill_number: int) -> Live | None:
        """What the runner here knows; None if it does not run here."""
        runner = self._scheduler.runner(backfill_number)
        if runner is None:
            return None
        gate = runner.gate
        items = [item for item, _ in list(gate.in_flight.values())]
        return Live(
            frozenset(item.position for item in items),
            sum(item.is_retry for item in items),
            runner.obstacles.hold(),
            runner.obstacles.all(),
            {one.position: one for one in gate.oldest(len(gate.in_flight))},
            runner.obstacles.sharing(other.obstacles for other in self._scheduler.others(backfill_number)),
        )
