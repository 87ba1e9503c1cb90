"""Group commit: nothing lost, nothing twice, nobody harmed by a neighbour, whatever the database does meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.engine.parts import cut_connections
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.ledgers import make_ledger
from tests.support.waiting import eventually
from tests.support.wire import Wire, wire_to

from backfilld.bus import Bus
from backfilld.clock import SystemClock
from backfilld.domain.backfills.records import Backfill, Outcome, Try
from backfilld.engine.backfills.recorder import BUSY_BATCH, Recorder
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.starting.hand_out import HandOut
from backfilld.engine.starting.leases import Lease
from backfilld.events import Event, OutcomesRecorded, RecorderFailed
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool, open_pool

DONE = Outcome("succeeded", NOON, NOON + timedelta(seconds=1), 1)
TOO_LONG = Outcome("succeeded", NOON, NOON, 1, message="x" * 5000)


def again(attempt: int = 1, **fields) -> Try:
    values = {"attempt": attempt, "counted": attempt, "started_at": NOON, "finished_at": NOON}
    return Try(**values | {"next_attempt_at": NOON, "error_class": "http_500"} | fields)


class Recording:
    """A recorder at work, and accounts that it serves."""

    def __init__(self, pool: Pool, own: Pool, linger_seconds: float = 0.0) -> None:
        self.pool, self.own = pool, own
        self.told: list[Event] = []
        bus = Bus()
        bus.listen(self.told.append)
        self.recorder = Recorder(own, SystemClock(), bus, linger_seconds=linger_seconds)

    async def account(self, items: int, *, most: int = 1000, holder: str = "me") -> RunState:
        """Of a backfill of so many items, all of them read."""
        backfill: Backfill = await make_backfill(self.pool)
        await make_ledger(self.pool, backfill, {f"e{n:04}": "pending" for n in range(items)})
        grant = await LeaseStore(self.pool, instance=holder, process="1").acquire(backfill.number)
        lease = Lease(grant, SystemClock().boottime())
        account = RunState(lease, SystemClock(), mark=0, max_unrecorded=most, throughput=0.0)
        for position in range(items):
            account.read(position)
        account.next_position = items
        return account

    def submit(self, account: RunState, *positions: int, result: Outcome | Try = DONE, had_retry: bool = False) -> None:
        for position in positions:
            self.recorder.submit(account, position, result, had_retry=had_retry)

    async def flush(self, account: RunState) -> None:
        async with asyncio.timeout(10):
            await self.recorder.flush(account)

    @property
    def commits(self) -> list[int]:
        return [event.outcomes + event.retries for event in self.told if isinstance(event, OutcomesRecorded)]

    async def counters(self, account: RunState) -> dict[str, int]:
        row = await self.pool.fetchrow(
            "SELECT succeeded, failed, skipped, cancelled, retrying, low_water_mark AS mark FROM backfill_progress"
            " WHERE backfill_number = $1",
            account.backfill_number,
        )
        return {name: value for name, value in row.items() if value}


@pytest.fixture
async def wire(dsn: str) -> AsyncIterator[Wire]:
    async with wire_to(dsn) as wire:
        yield wire


@pytest.fixture
async def own(wire: Wire) -> AsyncIterator[Pool]:
    pool = await open_pool(wire.dsn, size=1)
    yield pool
    await pool.close()


@pytest.fixture
async def recording(pool: Pool, own: Pool) -> AsyncIterator[Recording]:
    recording = Recording(pool, own)
    task = asyncio.create_task(recording.recorder.serve())
    yield recording
    task.cancel()
    (end,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(end, asyncio.CancelledError), end


async def test_what_has_gathered_goes_into_one_commit(recording: Recording):
    one, other = await recording.account(30), await recording.account(30)
    recording.submit(one, *range(10))
    recording.submit(other, 4, 3)
    await recording.flush(one)
    await recording.flush(other)

    assert [12] == recording.commits
    assert {"succeeded": 10, "mark": 10} == await recording.counters(one)
    assert {"succeeded": 2} == await recording.counters(other)


async def test_a_single_outcome_does_not_wait_for_company(pool: Pool, own: Pool):
    recording = Recording(pool, own, linger_seconds=3600)
    account = await recording.account(3)
    task = asyncio.create_task(recording.recorder.serve())
    recording.submit(account, 0)
    await eventually(lambda: recording.commits)
    task.cancel()

    assert [1] == recording.commits


async def test_under_load_it_lingers_until_somebody_waits(pool: Pool, own: Pool):
    recording = Recording(pool, own, linger_seconds=3600)
    account = await recording.account(BUSY_BATCH + 10)
    task = asyncio.create_task(recording.recorder.serve())
    recording.submit(account, *range(BUSY_BATCH))
    await eventually(lambda: recording.commits)
    for n in range(10):
        recording.submit(account, BUSY_BATCH + n)
        await asyncio.sleep(0.002)
    lingering = list(recording.commits)
    await recording.flush(account)
    task.cancel()

    assert [BUSY_BATCH] == lingering
    assert [BUSY_BATCH, 10] == recording.commits


async def test_an_account_that_fills_ends_the_lingering_so_that_there_is_room_meanwhile(pool: Pool, own: Pool):
    recording = Recording(pool, own, linger_seconds=3600)
    account = await recording.account(60, most=5)
    task = asyncio.create_task(recording.recorder.serve())
    recording.submit(account, *range(BUSY_BATCH))
    await eventually(lambda: recording.commits)
    recording.submit(account, *range(30, 34))
    await eventually(lambda: len(recording.commits) == 2)
    task.cancel()

    assert [BUSY_BATCH, 4] == recording.commits


async def test_a_database_that_does_not_take_them_leaves_no_room_and_room_comes_back(recording: Recording):
    account = await recording.account(10, most=3)
    async with recording.own.acquire():  # nobody else gets the connection meanwhile
        recording.submit(account, 0, 1, 2)
        await asyncio.sleep(0.01)
        crowded = account.has_room
    await recording.flush(account)

    assert not crowded
    assert account.has_room
    assert 0 == account.unrecorded == recording.recorder.unrecorded


async def test_a_lost_lease_writes_nothing_and_keeps_nobody_waiting(recording: Recording):
    lost, kept = await recording.account(5), await recording.account(5)
    await recording.pool.execute(
        "UPDATE backfill_progress SET fence = 2 WHERE backfill_number = $1", lost.backfill_number
    )
    recording.submit(lost, 0, 1, 2)
    recording.submit(lost, 3, result=again())
    recording.submit(kept, 0)
    await recording.flush(lost)
    await recording.flush(kept)

    assert {} == await recording.counters(lost)
    assert 0 == await recording.pool.fetchval("SELECT count(*) FROM tries")
    assert {"succeeded": 1, "mark": 1} == await recording.counters(kept)


async def test_what_cannot_be_stored_ends_unrecordable_each_by_itself(recording: Recording):
    one, other = await recording.account(30), await recording.account(5)
    for position in range(30):
        recording.submit(one, position, result=TOO_LONG if position in (7, 21) else DONE)
    recording.submit(other, 0, 1)
    recording.submit(other, 2, result=again(http_status=99_999))
    await recording.flush(one)
    await recording.flush(other)
    failed = await recording.pool.fetch("SELECT position, error_class FROM outcomes WHERE status = 'failed' ORDER BY 1")
    tried = await recording.pool.fetchrow("SELECT position, error_class, http_status FROM tries")

    assert [(7, "unrecordable"), (21, "unrecordable")] == [tuple(row) for row in failed]
    assert {"succeeded": 28, "failed": 2} == {k: v for k, v in (await recording.counters(one)).items() if k != "mark"}
    assert (2, "unrecordable", None) == tuple(tried)
    assert {"succeeded": 2, "retrying": 1} == await recording.counters(other)


async def test_a_try_that_cannot_be_stored_still_waits_for_its_next(recording: Recording):
    account = await recording.account(3)
    recording.submit(account, 0, result=again(error="\x00"))
    await recording.flush(account)

    assert NOON == account.next_retry_at
    assert 1 == await recording.pool.fetchval("SELECT count(*) FROM retries WHERE next_attempt_at = $1", NOON)


async def test_a_retry_row_goes_with_its_outcome_and_the_counters_with_it(recording: Recording):
    account = await recording.account(3)
    recording.submit(account, 1, result=again())
    await recording.flush(account)
    waiting = await recording.counters(account)
    recording.submit(account, 1, had_retry=True)
    await recording.flush(account)

    assert {"retrying": 1} == waiting
    assert {"succeeded": 1} == await recording.counters(account)
    assert 0 == await recording.pool.fetchval("SELECT count(*) FROM retries")


async def test_the_mark_follows_the_first_gap(recording: Recording):
    account = await recording.account(6)
    marks = []
    for positions in ((1, 2), (0,), (4, 5), (3,)):
        recording.submit(account, *positions)
        await recording.flush(account)
        marks.append((await recording.counters(account)).get("mark", 0))

    assert [0, 3, 3, 6] == marks


GAP = """
SELECT p.low_water_mark AS mark,
       (SELECT min(position) FROM plan_items i
         WHERE backfill_number = p.backfill_number
           AND NOT EXISTS (SELECT FROM outcomes WHERE backfill_number = i.backfill_number AND position = i.position)
           AND NOT EXISTS (SELECT FROM retries
                            WHERE backfill_number = i.backfill_number AND position = i.position)) AS gap
  FROM backfill_progress p WHERE p.backfill_number = $1
"""


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
async def test_the_mark_never_passes_what_is_not_recorded_though_connections_break(
    recording: Recording, dsn: str, seed: int
):
    chance = random.Random(seed)
    account = await recording.account(300)
    order = list(range(300))
    order.sort(key=lambda n: n + chance.randint(0, 30))
    for n, position in enumerate(order):
        recording.submit(account, position, result=TOO_LONG if chance.random() < 0.02 else DONE)
        if n % 7 == 0:
            await asyncio.sleep(chance.choice([0, 0.001, 0.004]))
        if n % 40 == 20:
            await cut_connections(recording.pool)
            row = await recording.pool.fetchrow(GAP, account.backfill_number)
            assert row["mark"] <= row["gap"]
    await recording.flush(account)
    row = await recording.pool.fetchrow(GAP, account.backfill_number)
    counters = await recording.counters(account)

    assert row["gap"] is None
    assert 300 == counters["succeeded"] + counters.get("failed", 0)
    assert [300] == [await recording.pool.fetchval("SELECT count(*) FROM outcomes")]


async def test_what_gathers_while_a_commit_fails_does_not_move_the_mark_before_it_is_written(recording: Recording):
    account = await recording.account(10)
    async with recording.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM backfill_progress FOR UPDATE")  # the first commit waits
        recording.submit(account, 0, 1)
        waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await eventually(lambda: recording.pool.fetchval(waits))
        recording.submit(account, 2, 3)  # gathers, and is not in that commit
        cut = await cut_connections(recording.pool, waiting_for="Lock")
    await eventually(lambda: len(recording.commits) >= 1)
    row = await recording.pool.fetchrow(GAP, account.backfill_number)
    await recording.flush(account)

    assert 1 == cut
    assert row["gap"] is None or row["mark"] <= row["gap"]
    assert {"succeeded": 4, "mark": 4} == await recording.counters(account)


async def test_nothing_is_lost_while_the_database_is_away(recording: Recording, wire: Wire):
    account = await recording.account(50)
    wire.cut()
    recording.submit(account, *range(50))
    await eventually(lambda: any(isinstance(event, RecorderFailed) for event in recording.told))
    still = account.unrecorded
    wire.mend()
    await recording.flush(account)

    assert 50 == still
    assert {"succeeded": 50, "mark": 50} == await recording.counters(account)


async def test_a_commit_whose_answer_never_comes_is_made_once_more_and_counts_once(
    recording: Recording, wire: Wire, monkeypatch
):
    monkeypatch.setattr("backfilld.engine.backfills.recorder.COMMIT_TIMEOUT_SECONDS", 0.3)
    account = await recording.account(5)
    hand_out = HandOut(handed=2, limit=2, max_in_flight=3, most=9)
    account.hand_out = hand_out
    await recording.pool.execute(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END$$;"
        " CREATE TRIGGER tell AFTER INSERT ON outcomes EXECUTE FUNCTION tell()"
    )
    recording.submit(account, 0, 1)
    sleeps = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    await eventually(lambda: recording.pool.fetchval(sleeps))
    wire.stall()
    await eventually(lambda: recording.counters(account))
    committed = (account.unrecorded, await recording.counters(account))
    limits = (hand_out.limit, await recording.pool.fetchval("SELECT hand_out_limit FROM backfill_progress"))
    await eventually(lambda: any(isinstance(event, RecorderFailed) for event in recording.told))
    wire.cut()
    wire.mend()
    await recording.flush(account)

    assert (2, {"succeeded": 2, "mark": 2}) == committed
    assert {"succeeded": 2, "mark": 2} == await recording.counters(account)
    assert (2, 5) == limits  # nothing is handed out by a limit that may not have been committed
    assert 5 == hand_out.limit


async def test_a_lease_that_is_lost_while_the_database_is_away_keeps_nobody_waiting(recording: Recording, wire: Wire):
    account = await recording.account(5)
    wire.cut()
    recording.submit(account, 0, 1)
    await eventually(lambda: any(isinstance(event, RecorderFailed) for event in recording.told))
    account.lease.lost = True
    await recording.flush(account)

    assert {} == await recording.counters(account)
