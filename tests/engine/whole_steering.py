"""What else people do to backfills over entities, and what the model knows of it: in small, for tests by chance."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.engine.parts import OPEN
from tests.engine.whole import NOON, OUTCOMES, K, Known, Whole
from tests.engine.whole_limits import APART, ROUNDING
from tests.support.backfills import make_backfill
from tests.support.ledgers import ENDED_ITEMS
from tests.support.schedules import ANNA
from tests.support.small_daemon import SmallDaemon

from backfilld.domain.backfill_settings import FailurePolicy, SlowDown
from backfilld.domain.backfills.states import ENDED, STARTABLE, ReasonCode
from backfilld.domain.backfills.verdicts import Verdict
from backfilld.domain.entities.records import Entity
from backfilld.domain.errors import Conflict, Invalid, NotFound, Unavailable
from backfilld.domain.notifications.messages import Notice
from backfilld.engine.backfills.running.attributes import NO_LONGER_MATCHES
from backfilld.engine.starting.targets.budget import BudgetTerms
from backfilld.executors.base import Work
from backfilld.operations.backfills.check import Checked
from backfilld.operations.rerun import Wanted
from backfilld.operations.steering.edit import Change
from backfilld.operations.stopping import StopOperations
from backfilld.store.admin.stopping import StopStore
from backfilld.store.backfills.ids import list_ids
from backfilld.store.connection import transient_errors
from backfilld.store.steering.deliveries import DeliveryStore, ForEndpoint

TARGET = "http://target"
CHANGES = 0.3  # of the tries: a record is another one after them
TODAY = frozenset({NOON.date()})
EDITS: dict[str, list[Any]] = {
    "starts_per_minute": [None, 60 / APART],
    "max_credits": [None, 3.0, 8.0],
    "failure_policy": [None, FailurePolicy(enabled=False), FailurePolicy(window=6, min_sample=4)],
    "slow_down": [None, SlowDown(latency_ms=5, over=4)],
    "excluded_dates": [None, TODAY],
    "max_attempts": [None, 1, 2],
    "timezone": [None, "Asia/Tokyo", "Europe/Paris"],
    "recheck": [None, True, False],
    "name": [None, "another"],
}
ENDED_SO = f"""
SELECT i.entity_id, o.status, o.error_class, o.fingerprint
  FROM {ENDED_ITEMS} AS o JOIN plan_items AS i USING (backfill_number, position)
 WHERE o.backfill_number = $1 ORDER BY position
"""  # noqa: S608 - names of ours
NOTICES = """
SELECT b.id, b.status, count(*) FILTER (WHERE n.event = 'created') AS made,
       count(*) FILTER (WHERE n.event IN ('completed', 'completed_with_failures', 'cancelled', 'failed')) AS ended
  FROM backfills AS b LEFT JOIN notices AS n ON n.backfill_number = b.number
 WHERE b.deleted_at IS NULL GROUP BY b.id, b.status
"""
NOT_ONE_MESSAGE = """
SELECT n.id, count(d.id) AS messages
  FROM notices AS n LEFT JOIN deliveries AS d ON (d.message ->> 'sequence')::bigint = n.id
 WHERE n.handed_out_at IS NOT NULL GROUP BY n.id HAVING count(d.id) <> 1
"""


class Steered(Whole):
    """With orders to all, budgets of the target, children of every kind, copies, and messages about all of it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.is_stopped = False  # that was answered, and nobody asked to go on since
        self._apart = 0.0  # the budget of the target
        self._budgets: dict[tuple[str, int], float] = {}  # what a life of a daemon knows of it
        self._last: dict[tuple[str, int], float] = {}  # its last start, or a moment before
        self._begun: dict[UUID, set[str]] = defaultdict(set)  # entities that were started, by backfill
        self._under_way: Counter[tuple[UUID, str]] = Counter()  # starts that were not refused, by backfill and entity
        self._rechecks: dict[UUID, set[bool]] = {}  # what may be in force
        self._rechecked: set[UUID] = set()  # some time, as far as anybody can tell
        self._may_repeat = False  # a daemon died, or was cut off: what it may have started is not tested again

    # The target

    async def _answer(self, daemon: SmallDaemon, life: int, work: Work) -> Verdict:
        assert work.backfill_id is not None
        self._under_way[work.backfill_id, work.entity_id] += 1
        verdict = await super()._answer(daemon, life, work)
        self._under_way[work.backfill_id, work.entity_id] -= verdict.kind is K.REFUSED
        return verdict

    def _judge_match(self, known: Known, work: Work) -> None:
        """What matches no more is not started for the first time, as far as the backfill knows of itself."""
        is_first = work.entity_id not in self._begun[known.backfill.id] and not self._may_repeat
        if is_first and self._rechecks_of(known) == {True} and work.attributes != {"status": "open"}:
            self.faults.append(f"a start of {work.entity_id}, which matches no more: {work.attributes}")

    def _rechecks_of(self, known: Known) -> set[bool]:
        return self._rechecks.setdefault(known.backfill.id, {known.backfill.settings.recheck})

    def _judge_start(self, known: Known, owner: tuple[str, int], asked_at: float, work: Work) -> None:
        super()._judge_start(known, owner, asked_at, work)
        self._judge_match(known, work)
        self._begun[known.backfill.id].add(work.entity_id)
        if self.chance.random() < CHANGES:
            self._change_a_record()
        if self.is_stopped:
            self.faults.append("a start after the answer to stop-all")
        at, last = self.clock.boottime(), self._last.get(owner)
        self._last[owner] = asked_at
        apart = self._budgets.get(owner, 0.0)
        if last is not None and at - last < apart - ROUNDING:
            self.faults.append(f"a start {at - last:.3f} s after another, with a budget of one in {apart} s")

    async def launch(self) -> None:
        await super().launch()
        self._put_budgets()

    async def kill(self) -> None:
        self._may_repeat = True
        await super().kill()

    async def kill_one(self, which: int) -> None:
        self._may_repeat = True
        await super().kill_one(which)

    async def break_connections(self) -> None:
        self._may_repeat = True
        await super().break_connections()

    async def cut_one(self, which: int, seconds: float) -> None:
        self._may_repeat = True
        await super().cut_one(which, seconds)

    def _change_a_record(self) -> None:
        """The world goes on while a backfill runs over it."""
        id = self.chance.choice(sorted(self._source.entities))
        self._source.entities[id] = Entity(id, {"status": self.chance.choice(["open", "closed"])})

    def budget(self, apart: float) -> None:
        """So far apart are starts of everything that one daemon sends to the target; 0: as it likes."""
        self._apart = apart
        self._budgets.clear()
        self._last.clear()
        self._put_budgets()

    def _put_budgets(self) -> None:
        for daemon in self.alive:
            owner = (daemon.name, daemon.life)
            if owner not in self._budgets:
                terms = [BudgetTerms("crm", frozenset({TARGET}), 60 / self._apart, 0.1)] if self._apart else []
                daemon.engine.tools.targets.put_budgets(terms)
                self._budgets[owner] = self._apart
                self._last.pop(owner, None)

    # What people do

    async def stop_all(self) -> None:
        with contextlib.suppress(Unavailable):
            if await self._granted(self._stops.stop_all(ANNA)):
                self.is_stopped = True

    async def start_all(self) -> None:
        self.is_stopped = False  # they may start before the answer
        await self._granted(self._stops.start_all(ANNA))

    @property
    def _stops(self) -> StopOperations:
        daemon = self.chance.choice(self.alive)
        return StopOperations(self._pool, StopStore(self._pool), daemon.engine.stopping, self.clock)

    async def _granted(self, wish: Any) -> bool:
        try:
            await self.answered(wish)
        except Exception as problem:
            if isinstance(problem, Unavailable) or transient_errors.is_transient(problem):
                return False
            raise
        return True

    async def try_now(self, known: Known) -> None:
        await self._had(self.operations.trying.try_now(ANNA, known.backfill.id), known, await self._has_ended(known))

    async def explain(self, known: Known) -> None:
        """Whoever is asked has something to say, and it is why it stands still if it does."""
        with contextlib.suppress(NotFound):
            view, found = await self._again(lambda: self.operations.explainer.look(known.backfill.id))
            code = None if view.reason is None else view.reason.code
            blocking = [blocker.code for blocker in found.blockers]

            assert found.sentences
            assert found.starting is (not blocking and view.backfill.status in STARTABLE)
            assert blocking[:1] == ([] if code in (None, ReasonCode.RECOVERING) else [code])

    async def edit_one(self, known: Known, name: str) -> None:
        """Another limit, or the default of it."""
        value = self.chance.choice(EDITS[name])
        limits, before = known.limits, known.limits.apart
        if name == "failure_policy":
            limits.follows = limits.tripped = False  # what was counted may be of no use any more
        if name == "starts_per_minute":
            after = 60 / value if value else 0.0
            limits.apart = min(before, after)
        if name == "max_credits":
            limits.cap = None
        if name == "excluded_dates":
            was, known.excluded = known.excluded, frozenset[date]()
        if name == "timezone":
            known.zones |= {value or "UTC"}
        if name == "recheck":
            self._rechecks_of(known).add(bool(value))
            self._rechecked |= {known.backfill.id} if value else set()
        impossible = await self._has_ended(known) or (name == "recheck" and value and await self._is_child(known))
        change = Change({name: value}, Checked(ZoneInfo("UTC")))
        granted = await self._had(self.operations.editor.edit(ANNA, known.backfill.id, change), known, impossible)
        if granted and name == "timezone":
            known.zones = frozenset({value or "UTC"})
        if granted and name == "recheck":
            self._rechecks[known.backfill.id] = {bool(value)}
        if granted and name == "starts_per_minute":
            limits.apart = after
        if granted and name == "max_credits" and value is not None:
            limits.cap = max(value, float(len(self._begun[known.backfill.id])))
        if name == "excluded_dates":
            known.excluded = (value or frozenset()) if granted else was & (value or frozenset())

    async def clone(self, known: Known) -> None:
        """A copy has every setting of the original, and covers what that was given."""
        try:
            found = await self._again(lambda: self.operations.cloner.clone(known.backfill.id))
        except NotFound:
            assert known.deleted
            return
        row = await self._row(known)
        assert row.settings == found.settings
        made = await make_backfill(
            self._pool, known.backfill, filter_resolved=OPEN, created_at=self.clock.now(),
            settings=found.settings, entity_ids=found.entity_ids, exclusive=False,
            credits_per_entity=row.credits_per_entity,
        )  # fmt: skip
        self.known[made.id] = Known(made)
        self.nudge()

    async def rerun_some(self, known: Known, status: str, by: str) -> None:
        """A child over what ended so: neither more nor less, in the order of the plan."""
        if known.deleted or not await self._has_ended(known):
            return
        rows = await self._again(lambda: self._pool.fetch(ENDED_SO, known.backfill.number))
        rows = [row for row in rows if row["status"] == status]
        wanted = Wanted((status,))
        if rows and status == "failed" and by == "class":
            wanted = Wanted(error_class=self.chance.choice(rows)["error_class"])
            rows = [row for row in rows if row["error_class"] == wanted.error_class]
        if rows and status == "failed" and by == "group":
            wanted = Wanted(error_group=self.chance.choice(rows)["fingerprint"])
            rows = [row for row in rows if row["fingerprint"] == wanted.error_group]
        expected = [row["entity_id"] for row in rows]
        reruns = self.operations.rerunner
        try:
            assert len(expected) == await self._again(lambda: reruns.count(known.backfill.id, wanted))
            made = await self.answered(reruns.rerun(ANNA, known.backfill.id, wanted, keyed=None, render=lambda _: {}))
        except (Conflict, Invalid) as problem:
            if expected and getattr(problem, "code", None) != "backfill_already_active":
                self.faults.append(f"{len(expected)} were {status}, but {problem}")
            return
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise
            await self._learn_of_all()  # it may have been made
            return
        row = made.view.backfill
        self.known[row.id] = Known(row)
        assert expected == await self._again(lambda: list_ids(self._pool, row.number, since=0, most=1_000))

    async def _learn_of_all(self) -> None:
        ids = await self._again(lambda: self._pool.fetch("SELECT id FROM backfills WHERE deleted_at IS NULL"))
        for row in ids:
            if row["id"] not in self.known:
                self.known[row["id"]] = Known(await self._again(lambda: self._found(row["id"])))  # noqa: B023

    async def _found(self, id: UUID) -> Any:
        return (await self.operations.get(id)).backfill

    async def tell(self) -> None:
        """Make messages of what is to be told."""

        def made(notice: Notice) -> Iterator[ForEndpoint]:
            yield ForEndpoint("desk", {"sequence": notice.sequence})

        store = DeliveryStore(self._pool)
        await self._again(lambda: store.hand_out(self.clock.now(), made, 5))

    async def _is_changed(self, known: Known, values: dict[str, Any]) -> bool:
        change = Change(values, Checked(ZoneInfo("UTC")))
        return await self._had(self.operations.editor.edit(ANNA, known.backfill.id, change), known, False)

    async def _is_child(self, known: Known) -> bool:
        return not known.deleted and (await self._row(known)).parent_number is not None

    # What must be true

    async def check(self) -> list[Any]:
        for row in await self._again(lambda: self._pool.fetch(NOTICES)):
            assert (1, int(row["status"] in ENDED)) == (row["made"], row["ended"]), dict(row)
        assert [] == await self._again(lambda: self._pool.fetch(NOT_ONE_MESSAGE))
        return await super().check()

    async def finish(self) -> None:
        self.budget(0.0)
        self.is_stopped = False  # they may start before the answer
        while not await self._granted(self._stops.start_all(ANNA)):
            pass
        for known in self.known.values():
            known.excluded = frozenset()
            known.zones |= {"UTC"}
            while not (known.deleted or await self._has_ended(known)):
                if await self._is_changed(known, {"timezone": None}):
                    break
            known.zones = frozenset({"UTC"})
        await super().finish()
        for row in await self._pool.fetch(OUTCOMES):
            self._judge_skip(row)
        await self.tell()
        await self.check()

    def _judge_skip(self, row: Any) -> None:
        """What was left out because it matched no more may not have been under way before."""
        known = self.known[row["id"]]
        if row["skip_reason"] == NO_LONGER_MATCHES:
            assert known.backfill.settings.recheck or known.backfill.id in self._rechecked, (
                "tested again though nobody wanted that"
            )
            assert known.backfill.parent_number is None, "a child runs what was chosen"
            assert not self._under_way[row["id"], row["entity_id"]], f"{row['entity_id']} was under way before"
