"""One look a second at each backfill that somebody follows, however many do, and one text of what is news in it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from backfilld.api.framework.answering.responses import encode
from backfilld.api.public.backfills.answers import BackfillAnswer
from backfilld.clock import Clock
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.store.connection.transient_errors import is_transient

LOOKS_EVERY_SECONDS = 1.0


class Look:
    """What there is to tell, and a name for it (`id`) that is the same as long as nothing has changed."""

    def __init__(self, view: BackfillView) -> None:
        self.answer = BackfillAnswer.of(view)
        self.is_last = view.has_ended
        self.id = f"{view.backfill.version}-{_name_of(view, self.answer)}"
        self._events: dict[tuple[str, str], bytes] = {}

    def event(self, kind: str, before: "Look | None" = None) -> bytes:
        """Whole, or what is news to somebody who knows `before`."""
        key = kind, "" if before is None else before.id
        if key not in self._events:
            data = encode({"backfill": self.answer.news(None if before is None else before.answer)})
            self._events[key] = b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), self.id.encode(), data)
        return self._events[key]


def _name_of(view: BackfillView, answer: BackfillAnswer) -> str:
    # An estimate moves with the clock alone, and so does "in 38 s"; that is no news.
    still = answer.status_reason and answer.status_reason.model_copy(update={"message": ""})
    unmoved = answer.model_copy(
        update={"estimated_completion_at": None, "estimated_completion_range": None, "status_reason": still}
    )
    facts = None if view.reason is None else view.reason.facts or view.reason.message
    return hashlib.sha256(encode(unmoved) + repr(facts).encode()).hexdigest()[:16]


class Followed:
    """A backfill that somebody follows."""

    def __init__(self, view: BackfillView) -> None:
        self.look = Look(view)
        self.is_gone = False
        self._problem: Exception | None = None
        self._followers = 0
        self._round = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def next_look(self) -> None:
        """Return once it has been looked at again, and `look` is the newest; raises what looking raised."""
        if not self.is_over:
            await self._round.wait()
        if self._problem is not None:
            raise self._problem

    @property
    def is_over(self) -> bool:
        """There is no other look to come."""
        return self.is_gone or self.look.is_last or self._problem is not None


class SharedLooks:
    """All that are followed in this process."""

    def __init__(self, operations: BackfillOperations, clock: Clock) -> None:
        self._operations = operations
        self._clock = clock
        self._followed: dict[UUID, Followed] = {}

    @asynccontextmanager
    async def follow(self, view: BackfillView) -> AsyncIterator[Followed]:
        """Look at it as long as this is open; `view` is its present."""
        id = view.backfill.id
        followed = self._followed.get(id)
        if followed is None or followed.is_over:
            followed = self._followed[id] = Followed(view)
            followed._task = asyncio.create_task(self._look_at(id, followed), name=f"follow/{id}")
        followed._followers += 1
        try:
            yield followed
        finally:
            followed._followers -= 1
            if not followed._followers:
                if self._followed.get(id) is followed:
                    del self._followed[id]
                if followed._task is not None:
                    followed._task.cancel()

    async def _look_at(self, id: UUID, followed: Followed) -> None:
        while not followed.is_over:
            await self._clock.sleep(LOOKS_EVERY_SECONDS)
            try:
                view = await self._operations.find(id)
            except Exception as problem:
                if not is_transient(problem):
                    followed._problem = problem
            else:
                if view is None:
                    followed.is_gone = True
                else:
                    followed.look = Look(view)
            told, followed._round = followed._round, asyncio.Event()
            told.set()
