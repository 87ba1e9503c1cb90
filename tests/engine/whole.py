"""The whole of it in small, for tests by chance: a database, a target, daemons that may be killed, and what was seen.

What must never happen is noticed at the moment of a start, by rules of its own: they are the model that the engine is
held against, and know nothing of how it works.
"""

import asyncio
import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.engine.parts import MONDAY_NOON_TO_ONE, OPEN, cut_connections
from tests.engine.whole_limits import KnownLimits
from tests.support.backfill_api import make_operations
from tests.support.backfills import ALWAYS, change_settings, make_backfill
from tests.support.engine import ListSource, SteppedClock
from tests.support.ledgers import ENDED_ITEMS
from tests.support.schedules import ANNA
from tests.support.small_daemon import SmallDaemon, TwoDaemons
from tests.support.waiting import Patience, eventually
from tests.support.wire import Wire

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, Status
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.domain.entities.records import Entity
from backfilld.domain.errors import Conflict, Invalid, NotFound, Unavailable
from backfilld.engine.backfills.running.attributes import NO_LONGER_MATCHES
from backfilld.executors.base import Work
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Checked
from backfilld.operations.steering.edit import Change
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection import transient_errors
from backfilld.store.connection.pool import Pool

ITEMS = 12
STANDS_STILL = 50  # looks at what does not move until more time is allowed to pass
NOON = datetime(2027, 3, 1, 12, 5, tzinfo=UTC)  # a Monday
K = VerdictKind
AGAIN, FAILED = Verdict(K.TRY_AGAIN, error_class="http_500"), Verdict(K.FAILED, error_class="http_404")
DOWN, REFUSED = Verdict(K.UNREACHABLE, error_class="connect_failed"), Verdict(K.REFUSED, error_class="http_401")
MOODS = {
    "fine": [SUCCEEDED],
    "mixed": [SUCCEEDED, SUCCEEDED, AGAIN, FAILED, Verdict(K.SKIPPED)],
    "bad": [FAILED, AGAIN],
    "down": [DOWN],
    "refusing": [REFUSED, SUCCEEDED],
}
COUNTERS = ("succeeded", "failed", "skipped", "cancelled")
LEDGERS = f"""
SELECT b.id, b.status, b.planned_at, p.planned, {", ".join(f"p.{name}" for name in COUNTERS)}, p.retrying,
       p.credits_used, p.failure_counts, b.failures_accepted,
       (SELECT COALESCE(sum(o.credits), 0) FROM outcomes o WHERE o.backfill_number = b.number) AS has_credits,
       (SELECT count(*) FROM plan_items i WHERE i.backfill_number = b.number) AS items,
       (SELECT count(*) FROM retries r WHERE r.backfill_number = b.number) AS has_retrying,
       {
    ", ".join(
        f"(SELECT count(*) FROM {ENDED_ITEMS} o WHERE backfill_number = b.number AND status = '{name}') AS has_{name}"
        for name in COUNTERS
    )
}
  FROM backfills b JOIN backfill_progress p ON p.backfill_number = b.number WHERE b.deleted_at IS NULL
"""  # noqa: S608 - names of ours
OUTCOMES = f"""
SELECT b.id, i.entity_id, o.status, o.error_class, o.skip_reason
  FROM backfills b JOIN plan_items i ON i.backfill_number = b.number
  LEFT JOIN {ENDED_ITEMS} o USING (backfill_number, position)
 WHERE b.deleted_at IS NULL
"""  # noqa: S608 - names of ours


@dataclass
class Known:
    """What the model knows of one backfill."""

    backfill: Backfill
    always_open: bool = False
    most: int = 0  # in flight; as the window, what is wider of before and after while a change has no answer
    overridden: datetime | None = None  # the latest time until which the windows may count as open
    stopped: bool = False  # a pause or a cancel was answered, and nobody asked to go on since
    goes_on_at: datetime | None = None  # a pause may be over by then
    zones: frozenset[str] = (
        frozenset()
    )  # by the clocks of any of which its windows may count; several without an answer
    excluded: frozenset[date] = frozenset()  # dates on which no window starts, as was answered
    deleted: bool = False
    in_flight: Counter[tuple[str, int]] = field(default_factory=Counter)  # by daemon, and by life of it
    given: dict[str, list[VerdictKind]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.limits = KnownLimits(self.backfill.settings)
        self.stopped = self.backfill.settings.start != "now"  # until somebody approves
        self.excluded = self.backfill.settings.excluded_dates
        self.zones = frozenset({self.backfill.settings.timezone})
        self.obeys(self.backfill.settings.max_in_flight, self.backfill.settings.daily_execution_windows)

    def obeys(self, most: int, windows: Any) -> None:
        self.most, self.always_open = most, windows == ALWAYS

    def may_go_on(self, at: datetime) -> bool:
        """Whether a pause until some time may be over; once it was, it stays so if the clock is set back."""
        if self.goes_on_at is not None and self.goes_on_at <= at:
            self.stopped, self.goes_on_at = False, None
        return not self.stopped

    def is_open(self, at: datetime) -> bool:
        is_overridden = self.overridden is not None and at < self.overridden
        if is_overridden:
            return True
        return any(self._is_open_by(at.astimezone(ZoneInfo(zone))) for zone in self.zones)

    def _is_open_by(self, at: datetime) -> bool:
        return at.date() not in self.excluded and (self.always_open or (at.weekday() == 0 and at.hour == 12))


class Whole(TwoDaemons):
    """`faults` is what must stay empty."""

    def __init__(self, pool: Pool, wires: Sequence[Wire]) -> None:
        self.clock = SteppedClock(NOON)
        self.chance = random.Random(0)
        self.mood = "fine"
        self.faults: list[str] = []
        self.known: dict[UUID, Known] = {}
        self._pool = pool
        self._source = ListSource([Entity(f"e{number:06}", {"status": "open"}) for number in range(ITEMS)])
        super().__init__(self.clock, wires, self._answer, self._source)

    # The daemons

    @property
    def operations(self) -> BackfillOperations:
        """Of any daemon, which need not run what it is asked about."""
        daemon = self.chance.choice(self.alive)
        control: Any = daemon.engine.control
        return make_operations(self._pool, self.clock, control, source=self._source)  # type: ignore[arg-type]

    # The target

    async def _answer(self, daemon: SmallDaemon, life: int, work: Work) -> Verdict:
        asked_at, owner = daemon.engine.executor.asked_at, (daemon.name, life)
        known = await self._known_of(work)
        if not daemon.is_alive or daemon.life != life:
            self.faults.append("a start by the dead")
        if self._is_followed(daemon, known):
            self.faults.append("a start by an owner who has been followed by another")
        self._judge_start(known, owner, asked_at, work)
        known.in_flight[owner] += 1
        try:
            await asyncio.sleep(self.chance.choice([0, 0.001, 0.01, 0.03, 0.2]))
            verdict = self.chance.choice(MOODS[self.mood])
            known.given[work.entity_id].append(verdict.kind)
            return verdict
        finally:
            known.in_flight[owner] -= 1

    async def _known_of(self, work: Work) -> Known:
        """What was made is started, maybe, before whoever made it has the answer."""
        id = work.backfill_id
        assert id is not None
        return await eventually(lambda: self.known.get(id))

    def _is_followed(self, daemon: SmallDaemon, known: Known) -> bool:
        """Whether another daemon has been given a later lease."""
        fences = {
            one: fence
            for one in self.alive
            for number, fence in one.engine.keeper.held
            if number == known.backfill.number
        }  # fmt: skip
        return fences.get(daemon, 0) < max(fences.values(), default=0)

    def _judge_start(self, known: Known, owner: tuple[str, int], asked_at: float, work: Work) -> None:
        now = self.clock.now()
        if (known.stopped and not known.may_go_on(now)) or known.deleted:
            self.faults.append("a start after the answer to a pause, a cancel or a delete")
        if not known.is_open(now):
            self.faults.append(f"a start outside the window, at {now}")
        if fault := known.limits.fault_of(owner, asked_at, self.clock.boottime()):
            self.faults.append(fault)
        if known.in_flight[owner] >= known.most:
            self.faults.append("a start above max_in_flight")

    # What people do

    async def create(self, **settings: Any) -> None:
        always = self.chance.random() < 0.5
        windows = ALWAYS if always else MONDAY_NOON_TO_ONE
        made = await make_backfill(
            self._pool,
            filter_resolved=OPEN,
            daily_execution_windows=windows,
            created_at=self.clock.now(),
            **settings,
        )
        self.known[made.id] = Known(made)
        self.nudge()

    async def pause(self, known: Known, hours: float | None = None) -> None:
        ended = await self._has_ended(known)
        until = None if hours is None else self.clock.now() + timedelta(hours=hours)
        known.goes_on_at = min((at for at in (until, known.goes_on_at) if at is not None), default=None)
        if await self._had(self.operations.steering.pause(ANNA, known.backfill.id, until=until), known, ended):
            known.stopped, known.goes_on_at = True, until

    async def cancel(self, known: Known, in_flight: Any) -> None:
        ended = await self._has_ended(known) and (await self._row(known)).status is not Status.CANCELLED
        if await self._had(self.operations.steering.cancel(ANNA, known.backfill.id, in_flight=in_flight), known, ended):
            known.stopped, known.goes_on_at = True, None

    async def resume(self, known: Known) -> None:
        was, known.stopped = known.stopped, False  # it may start before the answer
        known.limits.tripped = False
        if not await self._had(
            self.operations.steering.resume(ANNA, known.backfill.id), known, await self._has_ended(known)
        ):
            known.stopped = was

    async def edit(self, known: Known, max_in_flight: int, max_attempts: int, always: bool) -> None:
        windows = ALWAYS if always else MONDAY_NOON_TO_ONE
        known.most, known.always_open = max(known.most, max_in_flight), known.always_open or always
        values = {"max_in_flight": max_in_flight, "max_attempts": max_attempts, "daily_execution_windows": windows}
        change = Change(values, Checked(ZoneInfo("UTC")))
        ended = await self._has_ended(known)
        if await self._had(self.operations.editor.edit(ANNA, known.backfill.id, change), known, ended):
            known.obeys(max_in_flight, windows)

    async def override(self, known: Known, hours: float) -> None:
        until = (self.clock.now() + timedelta(hours=hours)).replace(microsecond=0)
        known.overridden = max(until, known.overridden or until)
        ended = await self._has_ended(known)
        if await self._had(self.operations.overriding.override(ANNA, known.backfill.id, until), known, ended):
            known.overridden = until

    async def end_override(self, known: Known) -> None:
        ended = await self._has_ended(known)
        if await self._had(self.operations.overriding.end(ANNA, known.backfill.id), known, ended):
            known.overridden = None

    async def delete(self, known: Known) -> None:
        if not known.deleted and not await self._has_ended(known):
            return
        if await self._had(self.operations.delete(ANNA, known.backfill.id), known, False):
            known.deleted = True

    async def rerun(self, known: Known) -> None:
        before = set(self.known)
        with contextlib.suppress(Conflict, NotFound):
            reruns = self.operations.rerunner
            made = await self.answered(reruns.rerun_failed(ANNA, known.backfill.id, keyed=None, render=lambda _: {}))
            row = made.view.backfill
            self.known[row.id] = Known(row)
        if known.deleted and before != set(self.known):
            self.faults.append("what was deleted was run again")

    async def break_connections(self) -> None:
        await cut_connections(self._pool)

    def step(self, hours: float) -> None:
        self.clock.offset += timedelta(hours=hours)
        for known in self.known.values():
            known.may_go_on(self.clock.now())
        self.nudge()

    async def _row(self, known: Known) -> Backfill:
        return await self._again(lambda: BackfillStore(self._pool).get(known.backfill.id))

    async def _has_ended(self, known: Known) -> bool:
        return not known.deleted and (await self._row(known)).status in ENDED

    async def _had(self, wish: Awaitable[Any], known: Known, impossible: bool) -> bool:
        """Whether it was granted. What has ended cannot be moved, and what was deleted is not there."""
        try:
            await self.answered(wish)
        except NotFound:
            if not known.deleted:
                self.faults.append("a backfill is gone that nobody deleted")
            return False
        except (Conflict, Unavailable):
            return False
        except Invalid:
            if not impossible:
                raise
            return False
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise
            return False
        if impossible or known.deleted:
            self.faults.append(f"granted, though it is {'deleted' if known.deleted else 'over, or not to be had'}")
        return True

    async def _again(self, call: Any) -> Any:
        """Until the database answers."""
        for _ in range(200):
            try:
                return await call()
            except Exception as problem:
                if not transient_errors.is_transient(problem):
                    raise
            await asyncio.sleep(0.02)
        raise AssertionError("the database does not come back")

    # What must be true

    async def check(self) -> list[Any]:
        """Counters equal the ledger, at any instant."""
        rows = await self._again(lambda: self._pool.fetch(LEDGERS))
        for row in rows:
            if row["planned_at"] is not None:
                assert row["planned"] == row["items"]
            for name in (*COUNTERS, "retrying"):
                assert row[name] == row[f"has_{name}"], (name, dict(row))
            self.known[row["id"]].limits.look(row)
        assert [] == self.faults, self.faults
        assert [] == self.bugs()
        return list(rows)

    async def finish(self) -> None:
        """Let everything come to its end, then hold the account against what the target said."""
        self.mood = "fine"
        self.clock.set(NOON)
        await self.launch()
        patience = Patience()
        while left := [dict(row) for row in await self.check() if row["status"] not in ENDED]:
            for daemon in self.daemons:
                daemon.engine.tools.targets.reset()  # nobody wants to wait for probes here
            for known in list(self.known.values()):
                if not known.deleted and (await self._row(known)).status is Status.PAUSED:
                    await self._lift_cap(known)
                    await self.resume(known)
            if patience.looks_in_vain == STANDS_STILL:  # retries that were put off by a clock that was ahead
                self.clock.set(NOON + timedelta(days=7))
            self.nudge()
            await patience.after_seeing(left)
        await self.check()
        for row in await self._pool.fetch(OUTCOMES):
            self._judge_outcome(row)

    async def _lift_cap(self, known: Known) -> None:
        """Else it would be paused for ever."""
        known.limits.cap = None
        await self._again(lambda: change_settings(self._pool, known.backfill, max_credits=None))
        await self._again(lambda: self._pool.execute("UPDATE backfills SET version = version + 1"))

    def _judge_outcome(self, row: Any) -> None:
        given = self.known[row["id"]].given[row["entity_id"]]
        assert row["status"] is not None, "an item without outcome"
        if row["status"] == "succeeded":
            assert K.SUCCEEDED in given
        if row["status"] == "skipped":
            assert K.SKIPPED in given or row["skip_reason"] in ("already_succeeded", NO_LONGER_MATCHES)
        if row["status"] == "failed":
            assert {K.FAILED, K.TRY_AGAIN, K.UNREACHABLE} & set(given) or row["error_class"] == "interrupted"
