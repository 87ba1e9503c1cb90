"""A schedule, what people do to it, its backfills, and two daemons that fire and run: in small, for tests by chance.

The rules that everything is held against are those of a calendar: each slot behind which a schedule stands was fired
once, or was in a range that somebody left out; and what was opened ends.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from itertools import count, takewhile
from typing import Any
from uuid import UUID

import orjson
from tests.engine.parts import cut_connections
from tests.support.backfill_api import make_operations
from tests.support.engine import ListSource, SteppedClock
from tests.support.ledgers import ENDED_ITEMS
from tests.support.schedules import ANNA, make_schedule, maker
from tests.support.small_daemon import SmallDaemon, TwoDaemons
from tests.support.waiting import Patience
from tests.support.wire import Wire

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.domain.errors import BackfilldError
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.executors.base import Work
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.attempts import AttemptOperations
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfills
from backfilld.operations.sessions.kill import BackfillKiller
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.store.connection import transient_errors
from backfilld.store.connection.pool import Pool

STANDS_STILL = 50  # looks at what does not move until more time is allowed to pass
NOON = datetime.fromisoformat("2027-03-01T12:02:00+00:00")
EVERY = {"minutes_interval>": 5}
AGAIN = Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")
FAILED = Verdict(VerdictKind.FAILED, error_class="http_404")
ENDS = [SUCCEEDED, SUCCEEDED, SUCCEEDED, AGAIN, FAILED]
SLOTS = "SELECT session_time, attempts FROM sessions"
FIRED = "SELECT session_id FROM attempts WHERE created_by LIKE 'schedule:%'"
LEFT_OUT = "SELECT old, new FROM audit_log WHERE action IN ('schedule.enable', 'schedule.skip', 'schedule.advance')"
COUNTERS = f"""
SELECT p.planned, p.succeeded + p.skipped AS succeeded, p.failed, p.cancelled,
       count(a.id) AS attempts, count(a.id) FILTER (WHERE a.succeeded) AS has_succeeded,
       count(a.id) FILTER (WHERE o.status = 'failed') AS has_failed,
       count(a.id) FILTER (WHERE o.status = 'cancelled') AS has_cancelled,
       count(a.id) FILTER (WHERE (a.finished_at IS NULL) <> (o.position IS NULL)) AS torn
  FROM backfill_progress AS p
  JOIN backfills AS b ON b.number = p.backfill_number
  LEFT JOIN attempts AS a ON a.backfill_number = p.backfill_number
  LEFT JOIN {ENDED_ITEMS} AS o ON o.backfill_number = a.backfill_number AND o.position = a.position
 WHERE b.deleted_at IS NULL
 GROUP BY p.backfill_number
"""  # noqa: S608 - names of ours
UNFINISHED = """
SELECT (SELECT count(*) FROM attempts WHERE finished_at IS NULL) AS attempts,
       (SELECT count(*) FROM backfills WHERE completed_at IS NULL) AS backfills,
       (SELECT count(*) FROM schedules WHERE next_run_at <= $1) AS schedules
"""
DONE = "SELECT (SELECT count(*) FROM attempts), (SELECT sum(tries) FROM attempts), (SELECT count(*) FROM audit_log)"
LAST_RETRY = """
SELECT max(at) FROM (SELECT next_attempt_at FROM attempts UNION ALL SELECT next_attempt_at FROM retries) AS waits (at)
"""


class WholeSchedule(TwoDaemons):
    """`faults` is what must stay empty."""

    with_schedules = True

    def __init__(self, pool: Pool, wires: Sequence[Wire]) -> None:
        self.clock = SteppedClock(NOON)
        self.chance = random.Random(0)
        self.faults: list[str] = []
        self._paused: set[UUID] = set()  # and was told so
        self._in_flight: Counter[tuple[str, int, str]] = Counter()
        self._pool = pool
        self._names = count(1)
        super().__init__(self.clock, wires, self._answer, ListSource())

    async def begin(self) -> None:
        self.stored: StoredSchedule = await make_schedule(self._pool, EVERY, next_session_at=NOON)
        await self.launch()

    # The daemons

    async def break_connections(self) -> None:
        await cut_connections(self._pool)

    async def _answer(self, daemon: SmallDaemon, life: int, work: Work) -> Verdict:
        if not daemon.is_alive or daemon.life != life:
            self.faults.append("a start by the dead")
        if work.backfill_id in self._paused:
            self.faults.append("a start after the answer to a pause")
        place = (daemon.name, life, work.idempotency_key)
        if self._in_flight[place]:
            self.faults.append(f"{work.idempotency_key} was in flight twice")
        self._in_flight[place] += 1
        try:
            await asyncio.sleep(self.chance.choice([0, 0.001, 0.01, 0.05]))
            return self.chance.choice(ENDS)
        finally:
            self._in_flight[place] -= 1

    # What people do

    async def _wish(self, wish: Awaitable[Any]) -> bool:
        """Whether it was granted; whether it came true although the answer was lost, only the database knows."""
        try:
            await self.answered(wish)
        except BackfilldError:
            return False
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise
            return False
        return True

    async def steer(self, verb: str, **options: Any) -> None:
        operations = ScheduleOperations(self._pool, self.clock)
        await self._wish(getattr(operations, verb)(ANNA, self.stored.id, **options))
        self.nudge()

    async def skip(self, slots: int) -> None:
        await self.steer("skip", from_time=self.clock.now(), count=slots, dry_run=False)

    async def backfill(self, minutes: int, max_in_flight: int, advances: bool, skips: bool) -> None:
        request = ScheduleBackfillRequest(
            False, self.clock.now() - timedelta(minutes=minutes), f"again {next(self._names)}",
            skip_existing=skips, advance_schedule=advances, max_in_flight=max_in_flight,
        )  # fmt: skip
        runs: ScheduleBackfills = maker(self._pool, self.clock, self._control)
        await self._wish(runs.run(ANNA, self.stored.id, request))

    async def move(self, verb: str) -> None:
        """Pause, resume or cancel any of the backfills."""
        id = await self._any("SELECT id FROM backfills WHERE deleted_at IS NULL")
        if id is None:
            return
        was = id in self._paused
        if verb == "resume":
            self._paused.discard(id)  # it may start before the answer
        granted = await self._wish(getattr(self._operations.steering, verb)(ANNA, id))
        if was if not granted else verb != "resume":
            self._paused.add(id)

    async def start_by_hand(self, minutes: int) -> None:
        at = (self.clock.now() + timedelta(minutes=minutes)).replace(second=0, microsecond=0)
        await self._wish(self._attempts.start(ANNA, workflow_id=self.stored.workflow_id, session_time=at))

    async def kill_attempt(self) -> None:
        id = await self._any("SELECT id FROM attempts WHERE finished_at IS NULL")
        if id is not None:
            await self._wish(self._attempts.kill(ANNA, id))

    def pass_time(self, minutes: float) -> None:
        self.clock.offset += timedelta(minutes=minutes)
        self.nudge()

    @property
    def _control(self) -> Any:
        """Of any daemon, which need not run what it is asked about."""
        return self.chance.choice(self.alive).engine.control

    @property
    def _operations(self) -> BackfillOperations:
        return make_operations(self._pool, self.clock, self._control)  # type: ignore[arg-type]

    @property
    def _attempts(self) -> AttemptOperations:
        killer = BackfillKiller(self._pool, self._control, self.clock)
        return AttemptOperations(self._pool, killer, self.clock, most_unfinished=10_000)

    async def _any(self, query: str) -> Any:
        rows = await self._fetch(query)
        return self.chance.choice(rows)[0] if rows else None

    async def _fetch(self, query: str, *values: Any) -> list[Any]:
        """Whose connections break now and then."""
        for _ in range(200):
            try:
                return await self._pool.fetch(query, *values)
            except Exception as problem:
                if not transient_errors.is_transient(problem):
                    raise
        raise AssertionError("the database does not come back")

    # What must be true

    async def check(self) -> None:
        """At any instant."""
        for row in await self._fetch(COUNTERS):
            assert (row["planned"], 0) == (row["attempts"], row["torn"]), dict(row)
            for name in ("succeeded", "failed", "cancelled"):
                assert row[name] == row[f"has_{name}"], (name, dict(row))
        assert [] == [n for n in Counter(row[0] for row in await self._fetch(FIRED)).values() if n > 1]
        assert [] == self.faults, self.faults
        assert [] == self.bugs()

    async def _check_slots(self) -> None:
        """Each behind which the schedule stands was opened, or left out by somebody."""
        (row,) = await self._fetch("SELECT next_session_at FROM schedules")
        slots = self.stored.schedule().since(self.stored.schedule().first(self.stored.next_session_at))
        behind = [slot.session_time for slot in takewhile(lambda slot: slot.session_time < row[0], slots)]
        opened = {session["session_time"] for session in await self._fetch(SLOTS)}
        ranges = [(_stood(left["old"]), _stood(left["new"])) for left in await self._fetch(LEFT_OUT)]
        lost = [at for at in behind if at not in opened and not any(old <= at < new for old, new in ranges)]

        assert [] == lost

    async def finish(self) -> None:
        """Let everything come to its end."""
        await self.launch()
        patience = Patience()
        await self.steer("enable", skip_schedule=False)
        while any(left := tuple((await self._fetch(UNFINISHED, self.clock.now()))[0])):
            for row in await self._fetch("SELECT id FROM backfills WHERE status = 'paused'"):
                self._paused.discard(row["id"])
                await self._wish(self._operations.steering.resume(ANNA, row["id"]))
            if patience.looks_in_vain == STANDS_STILL:
                await self._wait_for_retries()
            self.nudge()
            await patience.after_seeing((left, *(await self._fetch(DONE))[0]))
        await self.check()
        await self._check_slots()

    async def _wait_for_retries(self) -> None:
        """Those that were put off by a clock that was ahead, too."""
        last = (await self._fetch(LAST_RETRY))[0][0]
        if last is not None and last > self.clock.now():
            self.clock.set(last)


def _stood(told: str) -> datetime:
    return datetime.fromisoformat(orjson.loads(told)["next_session_time"])
