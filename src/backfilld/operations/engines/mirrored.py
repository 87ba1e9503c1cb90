"""Backfills of mirrored schedules: what the engine is asked before one is made, and told when it was."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from backfilld.clock import Clock
from backfilld.domain.errors import BackfilldError, Conflict
from backfilld.operations.engines.mirrors import MirrorOperations, asking
from backfilld.store.connection.pool import Connection
from backfilld.store.schedules.mirrors import Mirror

log = logging.getLogger(__name__)

READ_EVERY = timedelta(minutes=5)


class MirroredSchedules:
    """Asks and tells; as `MirrorOperations`, Unavailable where the engine is away."""

    def __init__(self, mirrors: MirrorOperations) -> None:
        self._mirrors = mirrors
        self.store = mirrors.store

    async def refreshed(self, workflow_id: int) -> Mirror:
        """The mirror that a workflow here is, read anew. Unavailable where somebody has just deleted it."""
        mirror = await self.store.find_of(workflow_id)
        if mirror is None:
            raise Conflict("the mirror was deleted in this moment", code="mirror_deleted")
        await self._mirrors.refresh(mirror)
        return await self._mirrors.get(mirror.id)

    async def sessions(self, mirror: Mirror) -> Mapping[datetime, bool]:
        """Every session that has an attempt there → whether its last one has succeeded."""
        async with asking(mirror.engine):
            return await self._mirrors.digdag(mirror.engine).schedules.sessions(mirror.project_id, mirror.workflow)

    async def require_free(
        self, mirror: Mirror, times: Sequence[datetime], *, from_time: datetime, attempt_name: str
    ) -> None:
        """The engine would run these sessions under that name, too. Conflict where the name is in use there, or where
        it would run others."""
        async with asking(mirror.engine):
            there = await self._mirrors.digdag(mirror.engine).schedules.dry_run(
                mirror.schedule_id, from_time=from_time, attempt_name=attempt_name, count=len(times)
            )
        if (different := sorted(set(there).symmetric_difference(times))) != []:
            at = different[0].isoformat()
            side = "the engine" if different[0] in there else "this daemon"
            message = f"{side} alone has a session at {at} in this range: it would run others there than are shown here"
            raise Conflict(message, code="schedule_differs")

    async def is_to_advance(self, on: Connection, workflow_id: int, run_time: datetime) -> None:
        """The schedule there is to go on at that run time; kept until the engine has said so."""
        await self.store.advance(on, workflow_id, run_time)

    async def advance(self, workflow_id: int) -> None:
        """Move the schedule there to where it is to go on. What fails is tried again in the background."""
        mirror = await self.store.find_of(workflow_id)
        if mirror is None or mirror.advance_to is None:
            return
        try:
            async with asking(mirror.engine):
                schedules = self._mirrors.digdag(mirror.engine).schedules
                await schedules.advance(mirror.schedule_id, mirror.advance_to)
        except BackfilldError as problem:
            log.warning("schedule %s on %s is not moved yet: %s", mirror.schedule_id, mirror.engine, problem)
            return
        await self.store.advanced(mirror.id, mirror.advance_to)


class MirrorKeeper:
    """Reads mirrors anew, and moves schedules there that are still to be moved; in the background."""

    def __init__(self, mirrors: MirrorOperations, clock: Clock) -> None:
        self._mirrors = mirrors
        self._mirrored = MirroredSchedules(mirrors)
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def wake(self) -> None:
        """See to them, unless that is under way; returns at once."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._round(), name="mirrors")

    async def _round(self) -> None:
        try:
            await self.round()
        except Exception as problem:  # the next round begins anew
            log.warning("mirrors cannot be seen to: %r", problem)

    async def round(self) -> None:
        """All of them, one after the other."""
        for mirror in await self._mirrors.list():
            if mirror.advance_to is not None:
                await self._mirrored.advance(mirror.workflow_id)
            elif self._clock.now() - mirror.read_at >= READ_EVERY:
                try:
                    await self._mirrors.refresh(mirror)
                except BackfilldError as problem:
                    log.warning("mirror %s of %s cannot be read: %s", mirror.id, mirror.engine, problem)

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
