"""Records read again by their ids, as many with one request as the API lets us.

Whoever asks at about the same time is served together: many starts that each want one record cost a request for all.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.entities.records import Entity
from backfilld.sources.base import SourceBroken
from backfilld.sources.http.answers import Answer, NotThere, TooLarge, Unreachable
from backfilld.sources.http.asking.connection import Connection, url_of
from backfilld.sources.http.asking.rates import Purpose
from backfilld.sources.http.dialects.base import Dialect
from backfilld.sources.http.records import RecordReader
from backfilld.sources.http.shape import Request, Resource

WINDOW_SECONDS = 0.02
MOST_AT_ONCE = 4


class Rereader:
    """Reads records of one resource again."""

    def __init__(
        self, resource: Resource, dialect: Dialect, connection: Connection, clock: Clock, purpose: Purpose
    ) -> None:
        self._resource = resource
        self._dialect = dialect
        self._connection = connection
        self._clock = clock
        self._purpose = purpose
        self._reader = RecordReader(resource)
        self._wanted: dict[str, asyncio.Future[Entity | None]] = {}
        self._rounds: set[asyncio.Task[None]] = set()

    async def read(self, ids: Sequence[str]) -> dict[str, Entity]:
        """Those of `ids` that there are."""
        loop = asyncio.get_running_loop()
        possible = [id for id in dict.fromkeys(ids) if self._dialect.can_be_id(self._resource, id)]
        if possible and not self._wanted:
            task = loop.create_task(self._round())
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)
        waiting = {id: self._wanted.setdefault(id, loop.create_future()) for id in possible}
        done = await asyncio.gather(*(asyncio.shield(one) for one in waiting.values()), return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
        return {id: entity for id, entity in zip(waiting, done, strict=True) if isinstance(entity, Entity)}

    async def _round(self) -> None:
        """What is wanted within a moment, read together."""
        await asyncio.sleep(WINDOW_SECONDS)
        wanted, self._wanted = self._wanted, {}
        ids = list(wanted)
        most = self._resource.read.most if self._resource.read.kind == "many" else 1
        groups = [ids[start : start + most] for start in range(0, len(ids), most)]
        turns = asyncio.Semaphore(MOST_AT_ONCE)

        async def one(group: list[str]) -> None:
            try:
                async with turns:
                    found = await self._whole(group)
            except BaseException as problem:
                for id in group:
                    _fail(wanted[id], problem)
                if not isinstance(problem, Exception):
                    raise
                return
            for id in group:
                if not wanted[id].done():
                    wanted[id].set_result(found.get(id))

        await asyncio.gather(*(one(group) for group in groups))

    async def _whole(self, ids: list[str]) -> dict[str, Entity]:
        """Those that there are; halves are read where the answer to all of them is too large, or takes too long.

        Where nobody knows that the API gives as many as it is asked for, what is missing is asked for again without
        the others: what is taken for gone is never started.
        """
        if self._resource.read.kind == "one":
            return await self._read_one(ids[0])
        request = self._dialect.many(self._resource, ids)
        if len(ids) > 1 and len(url_of("", request)) > self._resource.longest_url:
            return await self._halves(ids)
        try:
            found = await self._read(request, ids)
        except (TooLarge, Unreachable) as problem:
            may_do = isinstance(problem, TooLarge) or problem.is_slow
            if not may_do or len(ids) == 1:
                raise
            return await self._halves(ids)
        missing = [] if self._resource.paging.size_is_kept else [id for id in ids if id not in found]
        return {**found, **await self._whole(missing)} if found and missing else found

    async def _halves(self, ids: list[str]) -> dict[str, Entity]:
        half = len(ids) // 2
        return {**await self._whole(ids[:half]), **await self._whole(ids[half:])}

    async def _read(self, request: Request, ids: list[str]) -> dict[str, Entity]:
        where = self._connection.where(request)
        answer = await self._connection.ask(request, self._purpose)
        records = self._reader.listed(answer.document(), where)
        raw = self._reader.raw_ids(records, where)
        found = {e.id: e for e in self._entities(answer, records, raw, None)}
        return {id: found[id] for id in ids if id in found}

    async def _read_one(self, id: str) -> dict[str, Entity]:
        request = self._dialect.one(self._resource, id)
        try:
            answer = await self._connection.ask(request, self._purpose)
        except NotThere:
            return {}
        record = self._dialect.record(self._resource, answer.document())
        if record is None:
            return {}
        where = self._connection.where(request)
        raw = self._reader.raw_ids([record], where)
        parent = id.partition("/")[0] if self._resource.parent is not None else None
        (entity,) = self._entities(answer, [record], raw, parent)
        if entity.id != id:
            raise SourceBroken(f"{where} gives another record than was asked for: {entity.id[:60]!r}")
        return {id: entity}

    def _entities(self, answer: Answer, records: Any, ids: Any, parent: str | None) -> list[Entity]:
        return self._reader.entities(answer, records, ids, self._clock.now(), parent)


def _fail(future: "asyncio.Future[Entity | None]", problem: BaseException) -> None:
    if future.done():
        return
    if isinstance(problem, asyncio.CancelledError):
        future.cancel()
        return
    future.set_exception(problem)
    future.exception()  # whoever still waits hears of it; perhaps nobody does
