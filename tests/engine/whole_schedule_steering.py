"""What else people do to backfills over sessions, and what the model knows of it: in small, for tests by chance."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.engine.parts import MONDAY_NOON_TO_ONE
from tests.engine.whole_limits import APART, ROUNDING
from tests.engine.whole_schedules import WholeSchedule
from tests.support.ledgers import ENDED_ITEMS
from tests.support.schedules import ANNA, maker
from tests.support.small_daemon import SmallDaemon

from backfilld.domain.backfill_settings import FailurePolicy, SlowDown
from backfilld.domain.backfills.states import ENDED, STARTABLE, Status
from backfilld.domain.backfills.verdicts import Verdict
from backfilld.domain.errors import BackfilldError, Conflict, Invalid
from backfilld.engine.starting.targets.budget import BudgetTerms
from backfilld.executors.base import Work
from backfilld.operations.backfills.check import Checked
from backfilld.operations.rerun import Wanted
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.operations.steering.edit import Change
from backfilld.operations.stopping import StopOperations
from backfilld.store.admin.stopping import StopStore
from backfilld.store.connection import transient_errors

EDITS: dict[str, list[Any]] = {
    "max_in_flight": [1, 2, 3],
    "daily_execution_windows": [None, MONDAY_NOON_TO_ONE],
    "max_attempts": [None, 1, 2],
    "starts_per_minute": [None, 60 / APART],
    "failure_policy": [None, FailurePolicy(window=6, min_sample=4, max_consecutive_failures=3)],
    "slow_down": [None, SlowDown(latency_ms=5, over=4)],
    "name": [None, "another"],
    "max_credits": [None, 100.0],  # nothing costs anything here
    "excluded_dates": [None],
    "timezone": [None, "Asia/Tokyo", "Europe/Paris"],
    "recheck": [None, False, True],  # which is refused: there is no filter that could be asked again
}
KNOWN = """
SELECT id, max_in_flight, settings -> 'daily_execution_windows' AS windows, settings ->> 'timezone' AS zone
  FROM backfills WHERE deleted_at IS NULL
"""
OF_STATUS = f"""
SELECT count(*) FROM {ENDED_ITEMS} AS o JOIN backfills AS b ON b.number = o.backfill_number
 WHERE b.id = $1 AND o.status = $2
"""  # noqa: S608 - names of ours


@dataclass
class Known:
    """What the model knows of one backfill: what is wider of before and after, while a change has no answer."""

    most: int
    always: bool
    zones: frozenset[str]  # by the clocks of any of which its windows may count
    overridden: datetime | None = None  # the windows may count as open until then
    deleted: bool = False

    def is_open(self, at: datetime) -> bool:
        is_overridden = self.overridden is not None and at < self.overridden
        there = [at.astimezone(ZoneInfo(zone)) for zone in self.zones]
        return self.always or is_overridden or any(one.weekday() == 0 and one.hour == 12 for one in there)


class SteeredSchedule(WholeSchedule):
    """With windows, edits, children, orders to all and budgets of the target."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.known: dict[UUID, Known] = {}
        self.is_stopped = False
        self._goes_on: dict[UUID, datetime] = {}  # a pause may be over by then
        self._live: Counter[tuple[str, int, UUID]] = Counter()
        self._apart = 0.0
        self._budgets: dict[tuple[str, int], float] = {}
        self._last: dict[tuple[str, int], float] = {}
        self._numbers = count(1)

    # The target

    async def _answer(self, daemon: SmallDaemon, life: int, work: Work) -> Verdict:
        self._let_go_on()
        owner, id = (daemon.name, life), work.backfill_id
        known = None if id is None else self.known.get(id)
        if self.is_stopped:
            self.faults.append("a start after the answer to stop-all")
        self._judge_budget(owner, daemon.engine.executor.asked_at)
        if known is None or id is None:  # of nobody's, or of one whose answer was lost
            return await super()._answer(daemon, life, work)
        if known.deleted:
            self.faults.append("a start of what was deleted")
        if not known.is_open(self.clock.now()):
            self.faults.append(f"a start outside the window, at {self.clock.now()}")
        place = (*owner, id)
        if self._live[place] >= known.most:
            self.faults.append("a start above max_in_flight")
        self._live[place] += 1
        try:
            return await super()._answer(daemon, life, work)
        finally:
            self._live[place] -= 1

    def _judge_budget(self, owner: tuple[str, int], asked_at: float) -> None:
        at, last = self.clock.boottime(), self._last.get(owner)
        self._last[owner] = asked_at
        if last is not None and at - last < self._budgets.get(owner, 0.0) - ROUNDING:
            self.faults.append(f"a start {at - last:.3f} s after another, with a budget of one in {self._apart} s")

    def _let_go_on(self) -> None:
        for id, until in list(self._goes_on.items()):
            if until <= self.clock.now():
                del self._goes_on[id]
                self._paused.discard(id)

    def pass_time(self, minutes: float) -> None:
        super().pass_time(minutes)
        self._let_go_on()

    async def launch(self) -> None:
        await super().launch()
        self._put_budgets()

    def budget(self, apart: float) -> None:
        self._apart = apart
        self._budgets.clear()
        self._last.clear()
        self._put_budgets()

    def _put_budgets(self) -> None:
        for daemon in self.alive:
            owner = (daemon.name, daemon.life)
            if owner not in self._budgets:
                terms = [BudgetTerms("crm", frozenset({"http://target"}), 60 / self._apart, 0.1)] if self._apart else []
                daemon.engine.tools.targets.put_budgets(terms)
                self._budgets[owner] = self._apart
                self._last.pop(owner, None)

    # What people do

    async def backfill_in_windows(self, minutes: int, max_in_flight: int, stops: bool) -> None:
        request = ScheduleBackfillRequest(
            False, self.clock.now() - timedelta(minutes=minutes), f"at noon {next(self._numbers)}",
            max_in_flight=max_in_flight, windows=MONDAY_NOON_TO_ONE, window_timezone="UTC",
            stop_on_failure=stops,
        )  # fmt: skip
        await self._wish(maker(self._pool, self.clock, self._control).run(ANNA, self.stored.id, request))
        await self._learn()

    async def _learn(self) -> None:
        """Of backfills that are new, as the database has them."""
        for row in await self._fetch(KNOWN):
            if row["id"] not in self.known:
                self.known[row["id"]] = Known(
                    row["max_in_flight"], row["windows"] in (None, "null"), frozenset({row["zone"]})
                )

    async def move(self, verb: str) -> None:
        """It may take the end of a pause back, of which one only the database knows: those are not judged any more."""
        self._paused -= self._goes_on.keys()
        self._goes_on.clear()
        await super().move(verb)

    async def pause_until(self, hours: float) -> None:
        id = await self._any_id()
        if id is None:
            return
        until = self.clock.now() + timedelta(hours=hours)
        self._paused.discard(id)
        if await self._wish(self._operations.steering.pause(ANNA, id, until=until)):
            self._paused.add(id)
            self._goes_on[id] = until

    async def cut(self) -> None:
        id = await self._any_id()
        if id is not None and await self._wish(self._operations.steering.cancel(ANNA, id, in_flight="cancel")):
            self._paused.add(id)

    async def edit(self, name: str) -> None:
        id = await self._any_id()
        if id is None:
            return
        await self._learn()
        known, value = self.known[id], self.chance.choice(EDITS[name])
        before = known.most, known.always, known.zones
        zone = value or "UTC"
        if name == "max_in_flight":
            known.most = max(known.most, value)
        if name == "daily_execution_windows":
            known.always = known.always or value is None
        if name == "timezone":
            known.zones |= {zone}
        is_refused = name == "recheck" and value is True
        crosses = name == "max_in_flight" and before[0] != value and 1 in (before[0], value)
        change = Change({name: value}, Checked(ZoneInfo("UTC")))
        refused = await self._refusal(self._operations.editor.edit(ANNA, id, change))
        if is_refused and refused is None:
            self.faults.append("sessions are to be tested again by a filter that they have not")
        if crosses and refused is None:
            self.faults.append("a serial chain was made one of several at once, or the other way round")
        if refused is None:
            known.most = value if name == "max_in_flight" else known.most
            known.always = value is None if name == "daily_execution_windows" else known.always
            known.zones = frozenset({zone}) if name == "timezone" else known.zones
        elif isinstance(refused, Invalid | Conflict):
            known.most, known.always, known.zones = before

    async def override(self, hours: float | None) -> None:
        id = await self._any_id()
        if id is None:
            return
        await self._learn()
        known, overriding = self.known[id], self._operations.overriding
        if hours is None:
            if await self._wish(overriding.end(ANNA, id)):
                known.overridden = None
            return
        until = (self.clock.now() + timedelta(hours=hours)).replace(microsecond=0)
        known.overridden = max(until, known.overridden or until)
        if await self._wish(overriding.override(ANNA, id, until)):
            known.overridden = until

    async def try_now(self) -> None:
        id = await self._any_id()
        if id is not None:
            await self._wish(self._operations.trying.try_now(ANNA, id))

    async def explain(self) -> None:
        id = await self._any_id()
        if id is None:
            return
        view, found = await self._again(lambda: self._operations.explainer.look(id))
        assert found.sentences
        assert found.starting is (not found.blockers and view.backfill.status in STARTABLE)

    async def clone(self) -> None:
        """No body of the other dialect's could ask for the same."""
        id = await self._any_id()
        if id is not None:
            problem = await self._refusal(self._operations.cloner.clone(id))
            assert getattr(problem, "code", "") in ("not_clonable", "")

    async def rerun(self, status: str) -> None:
        """A child over as many as ended so."""
        id = await self._any_id(status_in=ENDED)
        if id is None:
            return
        ((expected,),) = await self._fetch(OF_STATUS, id, status)
        reruns = self._operations.rerunner
        try:
            made = await reruns.rerun(ANNA, id, Wanted((status,)), keyed=None, render=lambda _: {})
        except BackfilldError as problem:
            if expected and problem.code not in ("attempt_exists", "unavailable"):
                self.faults.append(f"{expected} were {status}, but {problem}")
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise
        else:
            assert expected == made.view.counts.total
        await self._learn()

    async def delete(self) -> None:
        id = await self._any_id()
        if id is None:
            return
        await self._learn()
        refused = await self._refusal(self._operations.delete(ANNA, id))
        if refused is None:
            self.known[id].deleted = True

    async def stop_all(self) -> None:
        if await self._wish(self._stops.stop_all(ANNA)):
            self.is_stopped = True

    async def start_all(self) -> None:
        self.is_stopped = False
        await self._wish(self._stops.start_all(ANNA))

    @property
    def _stops(self) -> StopOperations:
        daemon = self.chance.choice(self.alive)
        return StopOperations(self._pool, StopStore(self._pool), daemon.engine.stopping, self.clock)

    async def _refusal(self, wish: Any) -> Exception | None:
        """Why it was not granted, as far as was said."""
        try:
            await self.answered(wish)
        except BackfilldError as problem:
            return problem
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise
            return problem
        return None

    async def _any_id(self, *, status_in: frozenset[Status] = frozenset(Status)) -> UUID | None:
        rows = await self._fetch("SELECT id, status FROM backfills WHERE deleted_at IS NULL")
        ids = [row["id"] for row in rows if row["status"] in status_in]
        return self.chance.choice(ids) if ids else None

    async def _again(self, call: Any) -> Any:
        for _ in range(200):
            try:
                return await call()
            except Exception as problem:
                if not transient_errors.is_transient(problem):
                    raise
        raise AssertionError("the database does not come back")

    async def finish(self) -> None:
        self.budget(0.0)
        self.is_stopped = False
        await self._again(lambda: self._stops.start_all(ANNA))
        change = Change({"daily_execution_windows": None}, Checked(ZoneInfo("UTC")))
        for row in await self._fetch("SELECT id FROM backfills WHERE completed_at IS NULL"):
            self.known.pop(row["id"], None)
            while (why := await self._refusal(self._operations.editor.edit(ANNA, row["id"], change))) is not None:
                if isinstance(why, Conflict):  # it is over by now
                    break
        await super().finish()
