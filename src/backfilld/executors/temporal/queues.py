"""Whether anybody works on a queue: one question for each, every ten seconds, while items of ours wait there."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from temporalio.service import RPCError

from backfilld.clock import Clock
from backfilld.executors.secrets import SecretMissing
from backfilld.executors.temporal.connection import Connection
from backfilld.executors.temporal.failures import NotConnected

LOOKS_EVERY_SECONDS = 10.0
SILENT_SECONDS = 65.0  # a worker asks at least once a minute; those that ask no more are shown for some minutes
KEPT_SECONDS = 600.0  # so long is a queue looked at on which nobody waits any more, and nobody works


class Queue:
    """What is known of one queue."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting = 0
        self.has_workers = True
        self.without_since: datetime | None = None
        self.is_told = False
        self.last_asked: object = None
        self.heard_at = 0.0
        self.watch: asyncio.Task[None] | None = None


class Queues:
    """The queues of one engine. `on_change(queue, since)`: nobody has worked on it since then; None: somebody does."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        on_change: Callable[[str, datetime | None], None],
        *,
        patience_seconds: float,
        looks_every_seconds: float = LOOKS_EVERY_SECONDS,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._on_change = on_change
        self._patience = patience_seconds
        self._every = looks_every_seconds
        self._queues: dict[str, Queue] = {}

    def has_workers(self, name: str) -> bool:
        """As far as is known."""
        return name not in self._queues or self._queues[name].has_workers

    @contextmanager
    def waiting_on(self, name: str) -> Iterator[None]:
        """Something of ours is in that queue, for the length of the block."""
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = Queue(name)
            queue.watch = asyncio.create_task(self._watch(queue), name=f"temporal/queue/{name}")
        queue.waiting += 1
        try:
            yield
        finally:
            queue.waiting -= 1

    async def _watch(self, queue: Queue) -> None:
        queue.heard_at = last_needed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._every)
            now = self._clock.monotonic()
            if queue.waiting:
                last_needed = now
            elif queue.has_workers or now - last_needed > KEPT_SECONDS:
                break
            try:
                asked = [
                    poller.last_access_time.ToNanoseconds() for poller in await self._connection.pollers(queue.name)
                ]
            except (NotConnected, RPCError, SecretMissing):
                continue  # it is the connection that is at fault, which others tell
            self._note(queue, max(asked, default=None), self._clock.monotonic())
        del self._queues[queue.name]
        if queue.is_told:
            self._on_change(queue.name, None)

    def _note(self, queue: Queue, last_asked: int | None, now: float) -> None:
        """`last_asked`: when a worker did so last, by the server's clock."""
        if last_asked is not None and last_asked != queue.last_asked:
            queue.last_asked, queue.heard_at = last_asked, now
        patience = self._patience if last_asked is None else max(self._patience, SILENT_SECONDS)
        is_silent = last_asked is None or now - queue.heard_at > SILENT_SECONDS
        if not is_silent:
            queue.has_workers, queue.without_since = True, None
            if queue.is_told:
                queue.is_told = False
                self._on_change(queue.name, None)
            return
        queue.has_workers = False
        if queue.without_since is None:
            queue.without_since = self._clock.now()
        if not queue.is_told and now - queue.heard_at >= patience:
            queue.is_told = True
            self._on_change(queue.name, queue.without_since)

    async def close(self) -> None:
        """Look no more."""
        watches = [queue.watch for queue in self._queues.values() if queue.watch is not None]
        self._queues.clear()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
