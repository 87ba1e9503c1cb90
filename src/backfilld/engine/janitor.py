"""What can be done later: remembering last outcomes, removing the rows of deleted backfills, forgetting old keys."""

import logging
from datetime import timedelta

from backfilld.clock import Clock
from backfilld.store import outages
from backfilld.store.remembered import RememberedStore

log = logging.getLogger(__name__)

EVERY_SECONDS = 30.0
KEYS_LIVE = timedelta(hours=24)


class Janitor:
    """One loop, in the background; each round is bounded in what it locks, not in how long it takes."""

    def __init__(self, store: RememberedStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def serve(self) -> None:
        """Clean up until cancelled."""
        while True:
            try:
                await self.round()
            except Exception as problem:
                if not outages.passes(problem):
                    raise
                log.debug("the janitor waits for the database: %r", problem)
            await self._clock.sleep(EVERY_SECONDS)

    async def round(self) -> None:
        """Everything there is to do now."""
        await self._store.bring_up_to_date()
        await self._store.delete_hidden()
        await self._store.forget_idempotency_keys(older_than=self._clock.now() - KEYS_LIVE)
