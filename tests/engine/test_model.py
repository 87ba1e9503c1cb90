"""The whole engine against chance: whatever people, targets and the database do, the account is exact in the end.

Every schedule comes from a seed, so that one that fails can be seen again.
"""

import asyncio
import contextlib
import random
from collections import Counter

import pytest
from tests.engine.parts import cut_connections
from tests.support.backfills import make_backfill
from tests.support.engine import Engine, ListSource, ScriptedExecutor, engine_on, entities
from tests.support.ledgers import ENDED_ITEMS
from tests.support.waiting import eventually
from tests.support.wire import wire_to

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, Status
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.domain.errors import Unavailable
from backfilld.executors.base import Work
from backfilld.store.connection import transient_errors
from backfilld.store.connection.pool import Pool, open_pool

ITEMS = 30
K = VerdictKind
ANSWERS = [
    *[SUCCEEDED] * 12,
    Verdict(K.SKIPPED),
    Verdict(K.FAILED, error_class="http_404"),
    *[Verdict(K.TRY_AGAIN, error_class="http_500")] * 3,
    Verdict(K.UNREACHABLE, error_class="connect_failed"),
    Verdict(K.THROTTLED, error_class="http_429", retry_after_seconds=0.01),
    Verdict(K.REFUSED, error_class="http_401"),
    Verdict(K.SUCCEEDED, message="x" * 5000),  # which cannot be stored
]
ACTIONS = ["pause", "pause", "resume", "resume", "resume", "cancel", "limit", "cut", "cut", "gone", "wait", "wait"]


class Schedule:
    """One run by chance, with everything that was seen of it."""

    def __init__(self, seed: int, pool: Pool) -> None:
        self.chance = random.Random(seed)
        self.pool = pool
        self.running: Counter[str] = Counter()
        self.faults: list[str] = []
        self.executor = ScriptedExecutor(self.answer, sends=self.chance.choice([0.0, 0.001]))
        self.source = ListSource(entities(ITEMS))
        self.attempts: dict[str, list[int]] = {}

    async def answer(self, work: Work) -> Verdict:
        id = work.entity_id
        self.running[id] += 1
        if self.running[id] > 1:
            self.faults.append(f"{id} was in flight twice")
        self.attempts.setdefault(id, []).append(work.attempt)
        try:
            await asyncio.sleep(self.chance.choice([0, 0.001, 0.005, 0.02]))
            return self.chance.choice(ANSWERS)
        finally:
            self.running[id] -= 1

    async def act(self, engine: Engine, backfill: Backfill, may_cancel: bool) -> None:
        match self.chance.choice(ACTIONS):
            case "pause":
                if await self.steered(engine.pause(backfill)):
                    before = len(self.executor.starts)
                    await asyncio.sleep(self.chance.choice([0, 0.01]))
                    if before != len(self.executor.starts):
                        self.faults.append("something started after the answer to a pause")
            case "resume":
                await self.resume(engine, backfill)
            case "cancel" if may_cancel and self.chance.random() < 0.3:
                await self.steered(engine.cancel(backfill, in_flight=self.chance.random() < 0.5))
            case "limit":
                await self.pool.execute(
                    "UPDATE backfills SET max_in_flight = $1, version = version + 1 WHERE completed_at IS NULL",
                    self.chance.randint(1, 8),
                )
                engine.scheduler.hear(backfill.number)
            case "cut":
                await cut_connections(self.pool)
            case "gone":
                self.source.entities.pop(f"e{self.chance.randrange(ITEMS):06}", None)
            case _:
                await asyncio.sleep(self.chance.choice([0, 0.005, 0.02]))

    async def steered(self, wish) -> bool:
        """False if it cannot be had, or the database was away."""
        try:
            await wish
        except (AssertionError, Unavailable):
            return False
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise
            return False
        return True

    async def resume(self, engine: Engine, backfill: Backfill) -> None:
        with contextlib.suppress(OSError):
            row = await engine.tools.backfills.get(backfill.id)
            if row.status is Status.PAUSED:
                wanted = Status.RUNNING if row.planned_at else Status.PLANNING
                await self.steered(engine._steer(backfill, wanted.value))


async def run(seed: int, dsn: str, pool: Pool) -> tuple[Schedule, Backfill]:
    schedule = Schedule(seed, pool)
    chance = schedule.chance
    backfill = await make_backfill(
        pool,
        filter_resolved={"match_all": True},
        max_in_flight=chance.randint(1, 8),
        max_attempts=chance.randint(1, 3),
        sample_size=chance.choice([None, None, 5]),
        order=chance.choice(["source", "newest_first"]),
    )
    engines = await open_pool(dsn, size=4)
    async with engine_on(dsn, engines, schedule.executor, schedule.source) as engine:
        for _ in range(chance.randint(3, 14)):
            with contextlib.suppress(*transient_errors._PASSING):
                await schedule.act(engine, backfill, may_cancel=True)

        async def has_ended() -> bool:
            engine.tools.targets.reset()  # nobody wants to wait for probes here
            with contextlib.suppress(*transient_errors._PASSING):
                row = await engine.tools.backfills.get(backfill.id)
                if row.status is Status.PAUSED:
                    await schedule.resume(engine, backfill)
                return row.status in ENDED
            return False

        try:
            await eventually(has_ended, seconds=25)
        except AssertionError as problem:
            row, progress = await engine.tools.backfills.get(backfill.id), await engine.progress(backfill)
            tasks = [task.get_stack(limit=2) for task in asyncio.all_tasks()]
            raise AssertionError(f"{problem}: {row.status}, {row.reason}, {progress}, {tasks}") from None
    await engines.close()
    return schedule, backfill


ACCOUNT = f"""
SELECT p.planned, p.succeeded, p.failed, p.skipped, p.cancelled, p.retrying, p.low_water_mark,
       (SELECT count(*) FROM plan_items) AS items,
       (SELECT count(*) FROM {ENDED_ITEMS} o JOIN plan_items USING (backfill_number, position)) AS outcomes,
       (SELECT count(*) FROM outcomes WHERE status = 'succeeded') AS has_succeeded,
       (SELECT count(*) FROM outcomes WHERE status = 'failed') AS has_failed,
       (SELECT count(*) FROM outcomes WHERE status = 'skipped') AS has_skipped,
       (SELECT count(*) FROM {ENDED_ITEMS} o WHERE status = 'cancelled') AS has_cancelled,
       (SELECT count(*) FROM retries) AS retries,
       (SELECT count(*) FROM leases WHERE NOT released) AS held
  FROM backfill_progress p
"""  # noqa: S608 - names of ours


async def check(seed: int, dsn: str, pool: Pool) -> None:
    schedule, backfill = await run(seed, dsn, pool)
    row = await pool.fetchrow(ACCOUNT)
    status = await pool.fetchval("SELECT status FROM backfills WHERE number = $1", backfill.number)

    assert [] == schedule.faults
    assert row["planned"] == row["items"] == row["outcomes"]
    assert (row["succeeded"], row["failed"], row["skipped"], row["cancelled"]) == (
        row["has_succeeded"], row["has_failed"], row["has_skipped"], row["has_cancelled"],
    )  # fmt: skip
    assert (0, 0) == (row["retrying"], row["retries"])
    assert (status == "cancelled") or row["cancelled"] == 0
    assert (status == "completed_with_failures") == (status != "cancelled" and row["failed"] > 0)
    assert len(schedule.attempts) <= ITEMS
    assert 8 >= schedule.executor.most_running


@pytest.mark.parametrize("seed", range(2))
async def test_the_account_is_exact_whatever_happens(dsn, pool, seed: int):
    await check(seed, dsn, pool)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
async def test_two_daemons_of_which_one_is_cut_off_now_and_then_keep_one_account(dsn, pool, seed: int):
    chance = random.Random(seed)

    async def script(work: Work) -> Verdict:
        await asyncio.sleep(chance.choice([0.005, 0.02, 0.1]))
        return chance.choice([SUCCEEDED, SUCCEEDED, SUCCEEDED, Verdict(K.TRY_AGAIN, error_class="http_500")])

    source = ListSource(entities(500))
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_in_flight=4, max_attempts=3)
    async with wire_to(dsn) as wire:
        far, near = await open_pool(wire.dsn, size=4), await open_pool(dsn, size=4)
        async with (
            engine_on(wire.dsn, far, ScriptedExecutor(script), source),
            engine_on(dsn, near, ScriptedExecutor(script), source) as other,
        ):
            for _ in range(6):
                await asyncio.sleep(chance.uniform(0.1, 1.0))
                (wire.stall if chance.random() < 0.3 else wire.cut)()
                await asyncio.sleep(chance.choice([0.2, 1.0, 2.1, 3.2, 4.5]))
                wire.cut()
                wire.mend()
            await other.until(backfill, "completed", "completed_with_failures", seconds=60)
        await far.close()
        await near.close()
    row = await pool.fetchrow(ACCOUNT)

    assert 500 == row["planned"] == row["outcomes"] == row["low_water_mark"]
    assert (row["succeeded"], row["failed"]) == (row["has_succeeded"], row["has_failed"])
    assert (0, 0, 0) == (row["retrying"], row["retries"], row["cancelled"])
    assert 0 == await pool.fetchval("SELECT count(*) FROM outcomes WHERE error_class = 'interrupted'")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
async def test_the_account_is_exact_whatever_happens_many_times(dsn, pool, seed: int):
    await check(seed, dsn, pool)
