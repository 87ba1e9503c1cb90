"""The leases of attempts outside of backfills: each is leased by itself, and taken by whichever daemon has a place."""

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.engine.service import Part
from backfilld.engine.starting.leases import Lease, Renewer
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.store.backfills.leases import Word
from backfilld.store.sessions.live_attempts import LiveAttemptStore, TakenAttempt


class LiveLeases(Renewer[TakenAttempt]):
    """Those of this process."""

    def __init__(self, store: LiveAttemptStore, clock: Clock, bus: Bus, stop_switch: StopSwitch) -> None:
        super().__init__(Part.ATTEMPT_LEASES, store, clock, bus, stop_switch)
        self._store = store

    async def take(self, *, last_round: int) -> Lease[TakenAttempt] | None:
        """The oldest attempt that may start now, and is repeated in no later round."""
        sent_at = self._clock.boottime()
        taken = await self._store.take(self._clock.now(), last_round=last_round)
        if taken is None:
            return None
        reached(Point.ATTEMPT_TAKEN)
        return self.keep(taken, sent_at)

    async def look_for_kills(self) -> None:
        """Cut off what somebody wants to be killed, before the next renewal tells of it."""
        for id in await self._store.list_killed([key for key, _ in self.held]):
            if lease := self.find(id):
                lease.on_word(Word(is_killed=True))
