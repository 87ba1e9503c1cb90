"""The daemon's life: up, ready, reloaded, drained, down."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from backfilld.api.framework.listener import bound
from backfilld.app.api_parts import ApiParts, api_parts
from backfilld.app.database import Database, database_of, pools_of
from backfilld.app.engine_parts import EngineParts, engine_parts
from backfilld.app.preparation import Preparation
from backfilld.app.process.cannot_work import CannotWork
from backfilld.app.process.instance import Instance
from backfilld.app.process.stop_report import StopReport
from backfilld.app.readiness import Readiness
from backfilld.app.reloading import Reloader, tell_cautions
from backfilld.app.status_line import StatusLine
from backfilld.bus import Bus
from backfilld.clock import Clock, SystemClock
from backfilld.config import Settings
from backfilld.domain.windows.timezones import use_pinned_tzdata
from backfilld.embedded.errors import DirectoryInUse, EmbeddedError, ServerDidNotStart
from backfilld.logs import EventLog
from backfilld.systemd import Notifier

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 0.01


class Daemon:
    """One process. `run` returns after `stop` was called, when everything is put away."""

    def __init__(
        self, settings: Settings, load: Callable[[], Settings], clock: Clock | None = None, *, paused: bool = False
    ) -> None:
        """`paused`: with the first thing done to the database, order that nothing starts."""
        self._paused = paused
        self._settings = settings
        self._load = load
        self._clock = clock or SystemClock()
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._reload = asyncio.Event()
        self._notifier = Notifier(self._clock)
        self.url = ""

    def stop(self) -> None:
        """Start nothing any more, let work in flight finish within the grace; called again: without the grace."""
        if self._stop.is_set():
            self._stop_now.set()
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration again."""
        self._reload.set()

    async def run(self) -> None:
        """Live. Ends with an exception if a part breaks in a way that waiting does not mend."""
        use_pinned_tzdata()
        bus = Bus()
        bus.listen(EventLog())
        tell_cautions(self._settings, self._clock.now())
        async with AsyncExitStack() as stack:
            instance = stack.enter_context(self._instance())
            sockets = await self._bound(stack)
            database = await self._database(stack)
            pools = await stack.enter_async_context(pools_of(database, self._settings.database.pool_size))
            engine = engine_parts(self._settings, database, pools, instance, self._clock, bus)
            stack.push_async_callback(engine.executors.close_all)
            stack.push_async_callback(engine.close_sources)
            readiness = Readiness(database, pools.requests, engine, instance, self._clock)
            api = api_parts(self._settings, pools, engine, readiness, self._clock, bus)
            await api.server.start(sockets)
            stack.push_async_callback(api.close)
            self.url = api.server.url
            instance.publish_address(self.url)
            log.info("listening", url=self.url, database=database.name)
            await self._live(database, engine, api, readiness)
        log.info("stopped")

    def _instance(self) -> Instance:
        folder = self._settings.state.directory
        instance = Instance(folder)
        try:
            instance.make()
        except OSError as problem:
            raise CannotWork(f"[state] directory: {folder} cannot be used: {problem.strerror}") from problem
        return instance

    async def _database(self, stack: AsyncExitStack) -> Database:
        try:
            return await stack.enter_async_context(database_of(self._settings, self._clock))
        except (DirectoryInUse, ServerDidNotStart):
            raise  # that may pass
        except EmbeddedError as problem:
            raise CannotWork(f"the embedded database: {problem}") from problem

    async def _bound(self, stack: AsyncExitStack) -> list[socket.socket]:
        """Our address, before anything is started that would have to be stopped for want of it."""
        server = self._settings.server
        try:
            sockets = await bound(server.host, server.port)
        except OSError as problem:
            raise CannotWork(f"[server] host and port: {problem.strerror or problem}") from problem
        for sock in sockets:
            stack.callback(sock.close)
        return sockets

    async def _live(self, database: Database, engine: EngineParts, api: ApiParts, readiness: Readiness) -> None:
        status = StatusLine(self._notifier, readiness, self._clock)
        reloader = Reloader(self._settings, self._load, engine, api, self._notifier, status, self._clock)
        async with _background(*self._loops(database, engine, api, readiness, reloader, status)) as broken:
            await _first(self._stop.wait(), broken)
            readiness.stopping = True
            self._notifier.stopping("letting work in flight finish")
            if not broken.done():
                log.info("stopping", in_flight_gets_seconds=self._settings.engine.shutdown_grace_seconds)
                await self._drain(engine, broken)
            if broken.done():
                broken.result()

    async def _drain(self, engine: EngineParts, broken: "asyncio.Future[None]") -> None:
        grace = self._settings.engine.shutdown_grace_seconds
        report = StopReport(engine.recorder, engine.live, self._notifier, self._clock, grace)
        telling = asyncio.create_task(report.follow())
        try:
            await self._drain_within(grace, engine, broken)
        finally:
            telling.cancel()
            await asyncio.wait([telling])
            report.ended()

    async def _drain_within(self, seconds: float, engine: EngineParts, broken: "asyncio.Future[None]") -> None:
        engine.firing.drain()

        async def drain(grace_seconds: float) -> None:
            await asyncio.gather(engine.scheduler.drain(grace_seconds), engine.live.drain(grace_seconds))

        await _first(drain(seconds), self._stop_now.wait(), broken)
        if not broken.done():
            await drain(0)  # returns at once if everything has ended

    def _loops(
        self,
        database: Database,
        engine: EngineParts,
        api: ApiParts,
        readiness: Readiness,
        reloader: Reloader,
        status: StatusLine,
    ) -> list[Coroutine[Any, Any, None]]:
        loops = [
            self._start_engine(database, engine, api, readiness, status),
            status.follow(),
            self._reload_when_told(reloader),
            self._notifier.feed_watchdog(readiness.is_alive),
        ]
        if database.server is not None:
            loops.append(database.server.supervise())
        return loops

    async def _start_engine(
        self, database: Database, engine: EngineParts, api: ApiParts, readiness: Readiness, status: StatusLine
    ) -> None:
        """Wait for the database, bring it up to date, then run everything that runs by itself."""
        await Preparation(self._settings, database, api, readiness, self._clock, paused=self._paused).run()
        await engine.usage.restore()
        readiness.migrated = True
        async with asyncio.TaskGroup() as group:
            for loop in engine.serving:
                group.create_task(loop.serve(), name=loop.part.label)
            while engine.scheduler.last_tick_at is None:  # from then on /readyz says the same
                await self._clock.sleep(LOOK_AGAIN_SECONDS)
            status.serving = f"serving {self.url} on {database.name}"
            self._notifier.ready(status.text)
            log.info("ready", url=self.url)
            await api.server.complete()

    async def _reload_when_told(self, reloader: Reloader) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            await reloader.reload()


async def _first(*wanted: Awaitable[Any]) -> None:
    """Return when the first of `wanted` is done; coroutines that are not are cancelled."""
    futures = [asyncio.ensure_future(one) for one in wanted]
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    for future in futures:
        if isinstance(future, asyncio.Task) and not future.done():
            future.cancel()
            await asyncio.wait([future])


@asynccontextmanager
async def _background(*loops: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Future[None]"]:
    """Run `loops` for the length of the block; what is given is done as soon as one of them breaks."""
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (problem := task.exception()) is not None and not broken.done():
            broken.set_exception(problem)

    tasks = [asyncio.create_task(loop) for loop in loops]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield broken
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if broken.done():
            broken.exception()
