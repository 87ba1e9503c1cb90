"""A whole engine on a real database, with an executor that follows a script.

Time really passes here (loops, leases and commits are real), but the wall clock can be stepped: windows
open and close when a test says so.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.support.ledgers import ENDED_ITEMS
from tests.support.lent_database import pool_of_its_own
from tests.support.waiting import poll_seconds

from backfilld.bus import Bus
from backfilld.clock import SystemClock
from backfilld.domain.backfills.records import Backfill, Progress
from backfilld.domain.backfills.retries import Backoff
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.domain.entities.records import Entity
from backfilld.engine.attempts.claimer import Claimer
from backfilld.engine.attempts.leases import LiveLeases
from backfilld.engine.backfills.context import BackfillContext, Limits
from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.engine.backfills.recorder import Recorder
from backfilld.engine.backfills.scheduler import Scheduler
from backfilld.engine.brakes.board import Brakes
from backfilld.engine.control import Control
from backfilld.engine.janitor import Janitor
from backfilld.engine.news import Lookout, News
from backfilld.engine.schedules.firing import Firing
from backfilld.engine.service import Part, Serving
from backfilld.engine.starting.capacity import Capacity
from backfilld.engine.starting.stop_order import Stopping
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.events import Event
from backfilld.executors.base import Permit, Work
from backfilld.sources.base import EntityQuery, Page, SourceUnreachable
from backfilld.store.admin.stopping import StopStore
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.backfills.removal import RemovalStore
from backfilld.store.connection.address import Located
from backfilld.store.connection.channel import Channel
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.digests import DigestStore
from backfilld.store.ledger.last_runs import LastRunsStore
from backfilld.store.ledger.ledger import Ledger
from backfilld.store.ledger.recovery import RecoveryStore
from backfilld.store.ledger.session_items import SessionItems
from backfilld.store.sessions.live_attempts import LiveAttemptStore
from backfilld.store.steering.brakes import BrakeStore

QUICK = Backoff(base=timedelta(milliseconds=20), cap=timedelta(milliseconds=80), floor=timedelta(milliseconds=1))


class SteppedClock(SystemClock):
    """The real clock, `offset` away from the real wall time, on a machine that may have slept."""

    def __init__(self, now: datetime | None = None) -> None:
        self.offset = timedelta() if now is None else now - datetime.now(UTC)
        self.slept = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def boottime(self) -> float:
        return super().boottime() + self.slept.total_seconds()

    def set(self, now: datetime) -> None:
        self.offset = now - datetime.now(UTC)

    def suspend(self, by: timedelta) -> None:
        """The machine slept: wall and boot time went on, and monotonic time stood still."""
        self.offset += by
        self.slept += by


@dataclass
class Start:
    entity_id: str
    attempt: int
    key: str
    at: datetime
    in_flight: int
    attributes: Mapping[str, Any]
    between: tuple[float, float]  # boot times: it passed the gate behind the first and before the second


@dataclass
class ScriptedExecutor:
    """Does what `script` says of each item; keeps what was started, and how many were in flight at most."""

    script: Callable[[Work], Awaitable[Verdict] | Verdict] = lambda _: SUCCEEDED
    target: str = "http://target"
    clock: SystemClock = field(default_factory=SystemClock)
    connects: float = 0.0  # seconds before the gate is asked
    sends: float = 0.0  # seconds from the gate until the request is out
    starts: list[Start] = field(default_factory=list)
    asked_at: float = 0.0  # boot time before the gate was asked for the last start: none is earlier
    stopped: list[str] = field(default_factory=list)  # keys of what nobody wants any more
    running: int = 0
    most_running: int = 0

    def address(self, variables: Mapping[str, Any]) -> str:
        return self.target

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        if self.connects:
            await asyncio.sleep(self.connects)
        asked_at = self.clock.boottime()
        permit.start()
        self.asked_at, between = asked_at, (asked_at, self.clock.boottime())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.sends:
                await asyncio.sleep(self.sends)
            self.starts.append(
                Start(
                    work.entity_id,
                    work.attempt,
                    work.idempotency_key,
                    self.clock.now(),
                    self.running,
                    work.attributes,
                    between,
                )
            )
            permit.sent()
            verdict = self.script(work)
            return verdict if isinstance(verdict, Verdict) else await verdict
        finally:
            self.running -= 1

    async def stop(self, work: Work) -> None:
        self.stopped.append(work.idempotency_key)

    async def close(self) -> None:
        pass

    def for_revision(self, revision_id: int, definition: Mapping[str, Any]) -> "ScriptedExecutor":
        return self


class ListSource:
    """Entities in a dict; can be taken away, and can lose some."""

    can_be_read_again = True
    plans_outside_windows = True
    plans_early = False
    freshness_seconds = None

    def __init__(self, entities: Sequence[Entity] = ()) -> None:
        self.entities = {entity.id: entity for entity in entities}
        self.is_down = False
        self.pages_read = 0

    def find(self, entity_type: str) -> "ListSource | None":
        return None if entity_type == "none" else self

    def connection_of(self, entity_type: str) -> str | None:
        return None

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        return len(self.entities)

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncIterator[Page]:
        ids = sorted(id for id in self.entities if cursor is None or id > cursor)
        for start in range(0, len(ids), page_size):
            if self.is_down:
                raise SourceUnreachable("gone fishing")
            self.pages_read += 1
            some = ids[start : start + page_size]
            yield Page([self.entities[id] for id in some], some[-1])

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        if self.is_down:
            raise SourceUnreachable("gone fishing")
        return {id: self.entities[id] for id in ids if id in self.entities}


def entities(count: int) -> list[Entity]:
    return [Entity(f"e{n:06}", {"n": n}) for n in range(count)]


class Engine:
    """Scheduler, recorder and leases of one process, as `app` joins them."""

    def __init__(self, dsn: Located, pool: Pool, own: Pool, executor: ScriptedExecutor, source: ListSource, **kw: Any):
        self.clock: SystemClock = kw.get("clock") or SystemClock()
        self.instance = kw.get("instance") or uuid4().hex
        self.events: list[Event] = []
        bus = Bus()
        bus.listen(self.events.append)
        leases = LeaseStore(own, instance=self.instance, process=uuid4().hex[:8])
        self.keeper = LeaseKeeper(leases, self.clock, bus)
        self.recorder = Recorder(own, self.clock, bus, linger_seconds=kw.get("linger_seconds", 0.0))
        self.executor, self.source, self.pool = executor, source, pool
        executor.clock = self.clock
        self.brakes = Brakes(BrakeStore(pool), self.clock, bus)
        self.brakes.put(kw.get("brakes", ()))
        self.tools = BackfillContext(
            clock=self.clock,
            bus=bus,
            pool=pool,
            backfills=BackfillStore(pool),
            ledger=Ledger(pool),
            recovery=RecoveryStore(pool),
            remembered=LastRunsStore(pool),
            session_items=SessionItems(pool),
            stop_switch=self.keeper.stop_switch,
            keeper=self.keeper,
            recorder=self.recorder,
            targets=Targets(self.clock, bus),
            capacity=Capacity(kw.get("capacity", 100), kw.get("reserve", 10)),
            executors=executor,
            sources=source,
            brakes=self.brakes,
            limits=kw.get("limits") or Limits(ramp_seconds=0),
            backoff=kw.get("backoff", QUICK),
        )
        self.scheduler = Scheduler(self.tools)
        self.control = Control(self.scheduler, leases, self.clock)
        self.cleans = kw.get("cleans", False)
        self.janitor = Janitor(self.tools.remembered, RemovalStore(pool), DigestStore(pool), self.clock, bus)
        self._join_live(pool, own, leases, bus, **kw)
        self.stopping = Stopping(
            StopStore(pool), self.keeper.stop_switch, (self.keeper, self.live_leases), self.clock, bus
        )
        listens = kw.get("listens", True)
        heard = (self._heard, self._heard_live)
        self.news = News(Channel(dsn, *heard), self.clock, bus) if listens else Lookout(self.clock, *heard)

    def _join_live(self, pool: Pool, own: Pool, leases: LeaseStore, bus: Bus, **kw: Any) -> None:
        self.firing = Firing(pool, self.clock, bus, most_unfinished=kw.get("most_unfinished", 100))
        store = LiveAttemptStore(pool, own, instance=leases.instance, process=uuid4().hex[:8])
        self.live_leases = LiveLeases(store, self.clock, bus, self.keeper.stop_switch)
        longest = kw.get("longest", timedelta(days=7))
        self.runs_live = kw.get("runs_live", True)  # attempts that no backfill carries
        self.live = Claimer(store, self.live_leases, self.tools, longest=longest)

    def _heard_live(self) -> None:
        self.firing.nudge()
        self.live.nudge()

    def _heard(self, backfill_number: int | None) -> None:
        if backfill_number is None:
            self.stopping.hear()
            self.brakes.hear()
        self.scheduler.hear(backfill_number)

    @property
    def serving(self) -> dict[Part, Serving]:
        """All loops, as the daemon runs them."""
        loops: list[Serving] = [
            self.recorder, self.keeper, self.live_leases, self.scheduler, self.news, self.stopping, self.firing,
            self.janitor, self.brakes, *((self.live,) if self.runs_live else ()),
        ]  # fmt: skip
        return {loop.part: loop for loop in loops}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Engine"]:
        loops = [loop for loop in self.serving.values() if loop is not self.janitor or self.cleans]
        tasks = [asyncio.create_task(loop.serve()) for loop in loops]
        try:
            yield self
        finally:
            self.firing.drain()
            await asyncio.gather(self.scheduler.drain(0.2), self.live.drain(0.2))
            for task in reversed(tasks):
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            bugs = [r for r in results if isinstance(r, Exception)]
            if bugs:
                raise bugs[0]

    async def until(self, backfill: Backfill, *statuses: str, seconds: float = 20.0, **counters: int) -> Backfill:
        """Wait until the backfill has one of the statuses and at least the counters; what it was then."""
        time = asyncio.get_running_loop().time
        began = time()
        while True:
            row = await self.tools.backfills.get(backfill.id)
            if not statuses or row.status in statuses:
                progress = await self.progress(backfill) if counters else None
                if all(getattr(progress, name) >= value for name, value in counters.items()):
                    return row
            if (waited := time() - began) > seconds:
                raise AssertionError(f"still {row.status} ({row.reason}), {await self.progress(backfill)}")
            await asyncio.sleep(2 * poll_seconds(waited))

    async def progress(self, backfill: Backfill) -> Progress:
        return await self.tools.backfills.get_progress(backfill.number)

    async def outcomes(self, backfill: Backfill) -> dict[str, int]:
        rows = await self.pool.fetch(
            f"SELECT status, count(*) AS n FROM {ENDED_ITEMS} AS o WHERE backfill_number = $1 GROUP BY status",  # noqa: S608
            backfill.number,
        )
        return {row["status"]: row["n"] for row in rows}

    async def pause(self, backfill: Backfill) -> Backfill:
        return await self._steer(backfill, "paused")

    async def cancel(self, backfill: Backfill, *, in_flight: bool = False) -> Backfill:
        return await self._steer(backfill, "cancelling", cancel_in_flight=in_flight)

    async def resume(self, backfill: Backfill) -> Backfill:
        return await self._steer(backfill, "running")

    async def stop_all(self) -> None:
        await self._order(stopped=True)

    async def start_all(self) -> None:
        await self._order(stopped=False)

    async def _order(self, *, stopped: bool) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            order = await StopStore(self.pool).change(
                stopped=stopped, by="the tests", why=None, at=self.clock.now(), on=connection
            )
        if stopped:
            await self.stopping.confirm(order.version)

    async def _steer(self, backfill: Backfill, wanted: str, **changes: Any) -> Backfill:
        from backfilld.domain.backfills.holding import Reason
        from backfilld.domain.backfills.states import ReasonCode, Status

        now = self.clock.now()
        reason = Reason(ReasonCode.PAUSED_BY_USER, "paused", now) if wanted == "paused" else None
        row = await self.tools.backfills.move(backfill.number, Status(wanted), reason=reason, at=now, **changes)
        assert row is not None, f"could not become {wanted}"
        await self.control.confirm(row.number, row.version)
        return row


@asynccontextmanager
async def engine_on(
    dsn: Located, pool: Pool, executor: ScriptedExecutor | None = None, source: ListSource | None = None, **kw: Any
) -> AsyncIterator[Engine]:
    """A running engine; several may share a database."""
    async with pool_of_its_own(dsn, size=3, **kw.pop("session", {})) as own:
        engine = Engine(dsn, pool, own, executor or ScriptedExecutor(), source or ListSource(entities(50)), **kw)
        async with engine.running():
            yield engine
