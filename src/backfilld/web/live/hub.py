"""One look a second at each topic that somebody watches, however many do.

A topic is a page as one role sees it. It is drawn once, compared region by region, and only what has changed is sent.
Whoever reads slowly is sent the newest of each region, and none of those between.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from backfilld.api.framework.answering.responses import is_foreseen
from backfilld.clock import Clock
from backfilld.domain.errors import NotFound
from backfilld.web.live.regions import Picture, Region

log = structlog.get_logger(__name__)

LOOKS_EVERY_SECONDS = 1.0
Look = Callable[[], Awaitable[Picture]]


@dataclass(eq=False, slots=True)
class Listener:
    """What one browser has still to be told."""

    changed: asyncio.Event = field(default_factory=asyncio.Event)
    pending: dict[str, Region] = field(default_factory=dict)
    stale: bool = False
    over: str = ""  # why there is no more to come

    def take(self) -> list[Region]:
        """Everything that is pending, which is then no more."""
        found = list(self.pending.values())
        self.pending.clear()
        self.changed.clear()
        return found


@dataclass(eq=False, slots=True)
class _Topic:
    look: Look
    listeners: set[Listener] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)
    picture: Picture | None = None
    task: asyncio.Task[None] | None = None
    problem: str = ""  # why it could not be looked at last


class Hub:
    """All topics of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._topics: dict[Hashable, _Topic] = {}

    @property
    def watched(self) -> int:
        """How many topics are looked at."""
        return len(self._topics)

    @asynccontextmanager
    async def listen(self, key: Hashable, look: Look) -> AsyncIterator[Listener]:
        """Hear of `key` as long as this is open; `look` is asked by the first who listens to it."""
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = _Topic(look)
            topic.task = asyncio.create_task(self._watch(topic), name=f"page/{key}")
        listener = Listener()
        topic.listeners.add(listener)
        if topic.picture is not None:
            _tell(listener, topic.picture.regions)
        try:
            yield listener
        finally:
            topic.listeners.discard(listener)
            if not topic.listeners and self._topics.get(key) is topic:
                del self._topics[key]
                if topic.task is not None:
                    topic.task.cancel()

    async def _watch(self, topic: _Topic) -> None:
        while True:
            over = await self._look(topic)
            if over:
                for listener in topic.listeners:
                    listener.over = over
                    listener.changed.set()
                return
            await self._clock.sleep(LOOKS_EVERY_SECONDS)

    async def _look(self, topic: _Topic) -> str:
        """Tell the listeners what is new; why there is no more to come, or ""."""
        try:
            picture = await topic.look()
        except NotFound:
            return "gone"
        except Exception as problem:  # what is known stays
            self._complain(topic, problem)
            self._mark(topic, stale=True)
            return ""
        topic.problem = ""
        self._mark(topic, stale=False)
        topic.picture = picture
        news = [one for one in picture.regions if topic.known.get(one.id) != one.state]
        topic.known = {one.id: one.state for one in picture.regions}
        if news:
            for listener in topic.listeners:
                _tell(listener, news)
        return "ended" if picture.is_last else ""

    def _complain(self, topic: _Topic, problem: Exception) -> None:
        """Once, and not each second; that the database is away is told by others."""
        if topic.problem == repr(problem):
            return
        topic.problem = repr(problem)
        if is_foreseen(problem):
            log.debug("a page cannot be drawn anew", error=topic.problem)
        else:
            log.error("a page cannot be drawn anew", exc_info=problem)

    def _mark(self, topic: _Topic, *, stale: bool) -> None:
        for listener in topic.listeners:
            if listener.stale is not stale:
                listener.stale = stale
                listener.changed.set()


def _tell(listener: Listener, regions: Sequence[Region]) -> None:
    for one in regions:
        listener.pending.pop(one.id, None)
        listener.pending[one.id] = one
    listener.changed.set()
