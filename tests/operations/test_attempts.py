"""Starting a session by hand, and killing attempts."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from tests.support.attempts import all_ended, attempt_of
from tests.support.backfills import make_workflow
from tests.support.clock import NOON
from tests.support.engine import ScriptedExecutor, engine_on
from tests.support.schedules import ANNA
from tests.support.waiting import eventually

from backfilld.clock import SystemClock
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.domain.errors import Conflict, Invalid, NotFound
from backfilld.domain.sessions.records import Attempt
from backfilld.executors.base import Work
from backfilld.operations.sessions.attempts import AttemptExists, AttemptOperations
from backfilld.store.connection.pool import Pool

DAY = timedelta(days=1)


class FakeKiller:
    """Remembers which attempts of backfills it was asked to end."""

    def __init__(self) -> None:
        self.killed: list[int] = []

    async def kill(self, asker: Actor, attempt: Attempt) -> None:
        self.killed.append(attempt.id)


@pytest.fixture
def killer() -> FakeKiller:
    return FakeKiller()


@pytest.fixture
def operations(pool: Pool, killer: FakeKiller) -> AttemptOperations:
    return AttemptOperations(pool, killer, SystemClock(), most_unfinished=3)


async def start(operations: AttemptOperations, workflow_id: int, at: Any = NOON, **options: Any) -> Attempt:
    return await operations.start(ANNA, workflow_id=workflow_id, session_time=at, **options)


async def test_a_start_makes_a_queued_attempt(operations, pool):
    workflow = await make_workflow(pool, timezone="Asia/Tokyo")
    attempt = await start(operations, workflow.workflow_id, params={"a": 1}, name="again")

    assert ("queued", "again", 1, {"a": 1}, "Asia/Tokyo", ANNA.identity) == (
        attempt.status, attempt.name, attempt.index, attempt.params, attempt.timezone, attempt.created_by,
    )  # fmt: skip
    row = await pool.fetchrow("SELECT actor, subject FROM audit_log WHERE action = 'attempt.start'")
    assert (ANNA.identity, f"attempt/{attempt.id}") == tuple(row)


@pytest.mark.parametrize("at", ["2027-03-01T21:00:00.999999999+09:00", NOON.replace(microsecond=999)])
async def test_session_times_are_whole_seconds(operations, pool, at):
    workflow = await make_workflow(pool)

    assert NOON == (await start(operations, workflow.workflow_id, at)).session_time


async def test_a_revision_is_run_as_it_is_and_a_workflow_as_it_is_now(operations, pool):
    workflow = await make_workflow(pool)
    newer = await pool.fetchval(
        "INSERT INTO revisions (workflow_id, version, definition, created_at) SELECT workflow_id, 2, definition, $2"
        " FROM revisions WHERE id = $1 RETURNING id", workflow.revision_id, NOON,
    )  # fmt: skip
    await pool.execute("UPDATE workflows SET revision_id = $1", newer)
    old = await start(operations, workflow.revision_id)
    new = await start(operations, workflow.workflow_id, name="new")

    assert (workflow.revision_id, newer) == (old.revision_id, new.revision_id)
    assert (old.session_id, 1, 2) == (new.session_id, old.index, new.index)


async def test_the_same_start_again_tells_of_the_attempt_that_there_is(operations, pool):
    workflow = await make_workflow(pool)
    first = await start(operations, workflow.workflow_id)

    with pytest.raises(AttemptExists) as problem:
        await start(operations, workflow.workflow_id, params={"other": True})
    assert first.id == problem.value.attempt.id
    assert 409 == problem.value.status


async def test_of_many_equal_starts_at_once_one_is_carried_out(pool, killer):
    operations = AttemptOperations(pool, killer, SystemClock(), most_unfinished=100)
    workflow = await make_workflow(pool)
    answers = await asyncio.gather(
        *(start(operations, workflow.workflow_id) for _ in range(12)), return_exceptions=True
    )
    made = [answer for answer in answers if isinstance(answer, Attempt)]

    assert [11, 1] == [sum(isinstance(answer, AttemptExists) for answer in answers), len(made)]
    assert {made[0].id} == {answer.attempt.id for answer in answers if isinstance(answer, AttemptExists)}


async def test_another_name_time_or_workflow_is_another_attempt(operations, pool):
    one, other = await make_workflow(pool), await make_workflow(pool)
    await start(operations, one.workflow_id)
    await start(operations, one.workflow_id, NOON + DAY)
    await start(operations, other.workflow_id)

    assert 3 == await pool.fetchval("SELECT count(*) FROM sessions")


async def test_beyond_the_limit_a_start_is_refused_until_something_ends(operations, pool):
    workflow = await make_workflow(pool)
    for n in range(3):
        await start(operations, workflow.workflow_id, NOON + n * DAY)

    with pytest.raises(Invalid, match=r"Too many attempts running\. Limit: 3, Current: 3"):
        await start(operations, workflow.workflow_id, NOON + 4 * DAY)
    with pytest.raises(AttemptExists):  # also a repeated request, which changes nothing
        await start(operations, workflow.workflow_id)
    await pool.execute(
        "UPDATE attempts SET finished_at = $1 WHERE index = 1 AND id = (SELECT min(id) FROM attempts)", NOON
    )
    await start(operations, workflow.workflow_id, NOON + 4 * DAY)


@pytest.mark.parametrize("how", ["none", "workflow", "project"])
async def test_what_is_not_there_or_deleted_cannot_be_started(operations, pool, how):
    workflow = await make_workflow(pool)
    if how != "none":
        await pool.execute(
            {"workflow": "UPDATE workflows SET deleted_at = now()"}.get(how, "UPDATE projects SET deleted_at = now()")
        )

    with pytest.raises(NotFound):
        await start(operations, 999_999 if how == "none" else workflow.workflow_id)


async def test_a_disabled_workflow_is_not_started(operations, pool):
    workflow = await make_workflow(pool, enabled=False)

    with pytest.raises(Invalid, match="disabled"):
        await start(operations, workflow.workflow_id)


async def test_every_fault_of_a_start_is_told_at_once(operations, pool):
    workflow = await make_workflow(pool)
    with pytest.raises(Invalid) as problem:
        await start(operations, workflow.workflow_id, "2027-03-01T00:00:00", params={"x": "y" * 20_000}, name="n" * 256)

    assert ["/sessionTime", "/retryAttemptName", "/params"] == [fault.path for fault in problem.value.faults]


async def test_what_waits_is_killed_at_once(operations, pool):
    workflow = await make_workflow(pool)
    attempt = await start(operations, workflow.workflow_id)
    killed = await operations.kill(ANNA, attempt.id, why="not needed")

    assert "killed" == killed.status
    row = await pool.fetchrow("SELECT actor, reason FROM audit_log WHERE action = 'attempt.kill'")
    assert (ANNA.identity, "not needed") == tuple(row)
    with pytest.raises(Conflict, match="already killed or finished"):
        await operations.kill(ANNA, attempt.id)


async def test_what_runs_is_cut_off_and_killed(operations, dsn, pool):
    workflow = await make_workflow(pool)

    async def for_ever(_: Work) -> Verdict:
        await asyncio.Event().wait()
        return SUCCEEDED

    executor = ScriptedExecutor(for_ever)
    async with engine_on(dsn, pool, executor):
        attempt = await start(operations, workflow.workflow_id)
        await eventually(lambda: executor.starts)
        killed = await operations.kill(ANNA, attempt.id)

    assert ("killed", 0) == (killed.status, executor.running)


async def test_what_takes_its_time_to_die_is_canceling_and_may_be_asked_again(operations, dsn, pool):
    workflow = await make_workflow(pool)
    dies = asyncio.Event()

    async def stubborn(_: Work) -> Verdict:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await dies.wait()
            raise
        return SUCCEEDED

    executor = ScriptedExecutor(stubborn)
    async with engine_on(dsn, pool, executor):
        attempt = await start(operations, workflow.workflow_id)
        await eventually(lambda: executor.starts)
        asked = await asyncio.gather(operations.kill(ANNA, attempt.id), operations.kill(ANNA, attempt.id))
        dies.set()
        (ended,) = await all_ended(pool, [attempt.id])

    assert {"canceling"} == {answer.status for answer in asked}
    assert "killed" == ended.status
    (told,) = await pool.fetch("SELECT new FROM audit_log WHERE action = 'attempt.kill'")
    assert {"attempt_id", "session_time", "name", "workflow"} == set(orjson.loads(told["new"]))


async def test_an_attempt_of_a_backfill_is_ended_by_who_knows_of_those(operations, killer, pool):
    workflow = await make_workflow(pool)
    attempt = await start(operations, workflow.workflow_id)
    await pool.execute("UPDATE attempts SET backfill_number = 1, position = 0")
    await operations.kill(ANNA, attempt.id)

    assert [attempt.id] == killer.killed
    assert (await attempt_of(pool, attempt.id)).finished_at is None


async def test_what_is_not_there_cannot_be_killed(operations):
    with pytest.raises(NotFound):
        await operations.kill(ANNA, 4711)


async def test_kills_and_ends_that_race_leave_one_end(pool, dsn, killer):
    operations = AttemptOperations(pool, killer, SystemClock(), most_unfinished=100)
    workflow = await make_workflow(pool)

    async def short(_: Work) -> Verdict:
        await asyncio.sleep(0.01)
        return SUCCEEDED

    executor = ScriptedExecutor(short)
    async with engine_on(dsn, pool, executor):
        attempts = [
            await start(operations, workflow.workflow_id, datetime(2027, 1, 1, tzinfo=UTC) + n * DAY) for n in range(40)
        ]
        await asyncio.gather(*(operations.kill(ANNA, a.id) for a in attempts[::2]), return_exceptions=True)
        ended = await all_ended(pool, [a.id for a in attempts])

    assert {"success"} == {attempt.status for attempt in ended[1::2]}
    assert {"success", "killed"} >= {attempt.status for attempt in ended[::2]}
    assert len(executor.starts) == len({start.key for start in executor.starts})
