"""The daemon dies in the middle of a request over past times, or of the chain that it made.

A request is there as a whole or not at all; a chain goes on where it was, in order, one at a time, under the same keys.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.crash.accounts import assert_audit_is_whole, assert_exact, assert_keys_never_change, repeats
from tests.crash.mortal import MAX_UNRECORDED, Mortal, points
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

from backfilld.crash_points import Point

MANY, CHAIN = 5_000, 12
DAILY = {"schedule": {"daily>": "00:00:00"}}
KILLS = 6


@pytest.fixture
def mortal(daemon, target, dsn, point) -> Mortal:
    return given(daemon, target, dsn, point)


def given(daemon, target, dsn, point: Point | None) -> Mortal:
    """A daemon with one schedule, which has id 1."""
    mortal = Mortal(daemon, target, dsn, point)  # type: ignore[arg-type] # where it is killed from outside
    daemon.configure(replace(daemon.plan, workflow=DAILY))
    return mortal


async def ask(mortal: Mortal, path: str, **settings: Any) -> tuple[int, Any] | None:
    """Status and document of a request in the dialect; None if nobody answered."""
    url = (mortal.daemon.state / "address").read_text().strip()
    headers = {"Authorization": f"TD1 {mortal.daemon.api_key}"}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url + path, **settings) as answer,
        ):
            return answer.status, await answer.json()
    except aiohttp.ClientError:
        return None


def request(days: int, **more: Any) -> Mapping[str, Any]:
    since = datetime.now(UTC).replace(hour=12, minute=0) - timedelta(days=days)
    return {"fromTime": since.isoformat(), "dryRun": False, "attemptName": "again", "count": days - 1} | more


async def run_back(mortal: Mortal, days: int, **more: Any) -> tuple[int, Any] | None:
    return await ask(mortal, "/api/schedules/1/backfill", json=request(days + 1, **more))


async def rows(mortal: Mortal, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(mortal.dsn)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def counts(mortal: Mortal) -> set[int]:
    """How many sessions, attempts, planned items and backfills (times `MANY`) there are."""
    (row,) = await rows(
        mortal,
        "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM attempts), (SELECT count(*) FROM plan_items),"
        " (SELECT count(*) FROM backfills)",
    )
    return {*row[:3], row[3] * MANY}


@points(Point.SESSIONS_BEFORE_COMMIT, slow=(Point.SESSIONS_OPENED, Point.SESSIONS_AFTER_COMMIT))
@pytest.mark.slow
async def test_a_request_that_was_cut_off_is_there_as_a_whole_or_not_at_all(mortal):
    mortal.target.script = lambda _: Reply(seconds=None)
    await mortal.start(mortal.point)
    answer = await run_back(mortal, MANY)
    await mortal.dies()
    found = await counts(mortal)
    await mortal.start()
    again = await run_back(mortal, MANY)

    assert answer is None
    assert {MANY if mortal.point is Point.SESSIONS_AFTER_COMMIT else 0} == found
    assert again is not None
    assert (409 if MANY in found else 200) == again[0]
    assert {MANY} == await counts(mortal)


@pytest.mark.slow
async def test_kills_at_random_instants_of_the_request_leave_nothing_or_everything(daemon, target, dsn):
    mortal = given(daemon, target, dsn, None)
    mortal.target.script = lambda _: Reply(seconds=None)
    made = 0
    for number in range(KILLS):
        await mortal.start()
        asking = asyncio.create_task(ask(
            mortal, "/api/schedules/1/backfill", json=request(MANY + 1, attemptName=f"n{number}", maxInFlight=10)
        ))  # fmt: skip
        await asyncio.sleep(random.uniform(0.05, 0.9))
        await mortal.kill()
        answer = await asking
        (row,) = await rows(mortal, "SELECT count(*), count(DISTINCT name) FROM attempts")

        assert row[0] == row[1] * MANY
        assert answer is None or answer[0] == 200
        assert row[1] - made in ((1,) if answer else (0, 1))
        made = row[1]


STEPS = (
    Point.LEASE_TAKEN,
    Point.LEASE_RELEASED,
    Point.READER_PLAN_READ,
    Point.GATE_SENT,
    Point.TRY_ENDED,
    Point.RECORDER_BEFORE_COMMIT,
    Point.RECORDER_AFTER_COMMIT,
    Point.ALONE_COMMITTED,
    Point.END_BEFORE_COMMIT,
    Point.END_AFTER_COMMIT,
)


@points(Point.RECORDER_SESSIONS, slow=(Point.GATE_PASSED, *STEPS))
async def test_a_chain_goes_on_where_it_was(mortal):
    passes = 1 if mortal.point in (Point.LEASE_TAKEN, Point.LEASE_RELEASED) or "end." in mortal.point else 3
    if mortal.point is Point.ALONE_COMMITTED:
        mortal.target.script = lambda _: Reply(seconds=30)
    await mortal.start(mortal.point, passes=passes)
    await run_back(mortal, CHAIN)
    if mortal.point is Point.ALONE_COMMITTED:  # only after a death, in the middle of something
        await eventually(lambda: mortal.target.calls)
        await mortal.kill()
        mortal.target.script = lambda _: Reply(seconds=0.01)
        await mortal.start(mortal.point)
    await mortal.lives_again()
    await assert_chain_is_whole(mortal, ["success"] * CHAIN)


@points(slow=(Point.RECORDER_BETWEEN, Point.RECORDER_SESSIONS))
async def test_a_chain_with_sessions_that_are_tried_again(mortal):
    mortal.target.script = lambda call: Reply(500 if call.attempt == 1 and call.entity_id[8:10] in FEW else 200, 0.01)
    await mortal.start(mortal.point)
    await run_back(mortal, CHAIN)
    await mortal.lives_again()
    await assert_chain_is_whole(mortal, ["success"] * CHAIN)


FEW = {"03", "07", "13", "17", "23", "27"}


@points(slow=(Point.KILL_BEFORE_COMMIT, Point.KILL_AFTER_COMMIT))
async def test_a_kill_that_was_cut_off_is_in_force_or_was_never_asked_for(mortal):
    mortal.target.script = lambda _: Reply(seconds=0.1)
    await mortal.start(mortal.point)
    answer = await run_back(mortal, CHAIN)
    assert answer is not None
    connection = await asyncpg.connect(mortal.dsn)
    last = int(answer[1]["attempts"][-1]["id"])
    await connection.close()
    cut_off = await ask(mortal, f"/api/attempts/{last}/kill")
    await mortal.lives_again()
    killed = mortal.point is Point.KILL_AFTER_COMMIT

    assert cut_off is None
    await assert_chain_is_whole(mortal, ["success"] * (CHAIN - 1) + ["killed" if killed else "success"])


@points(slow=(Point.CANCEL_REST_BEFORE_COMMIT, Point.CANCEL_REST_AFTER_COMMIT))
async def test_a_chain_that_is_being_cancelled_leaves_no_attempt_unfinished(mortal):
    await mortal.start(mortal.point)
    await run_back(mortal, CHAIN)
    await eventually(lambda: len(mortal.target.calls) > 3)
    (backfill,) = await rows(mortal, "SELECT id::text FROM backfills")
    await mortal.is_cut_off(mortal.daemon.client.cancel_backfill(backfill["id"]))
    await mortal.dies()
    started = len(mortal.target.calls)
    await mortal.start()
    await assert_chain_is_whole(mortal, ["success"] * started + ["killed"] * (CHAIN - started))

    assert started == len(mortal.target.calls)  # no later life starts anything


@pytest.mark.slow
async def test_a_chain_that_is_killed_again_and_again(daemon, target, dsn):
    mortal = given(daemon, target, dsn, None)
    mortal.target.script = lambda _: Reply(seconds=0.03)
    await mortal.start()
    await run_back(mortal, 3 * CHAIN)
    for _ in range(KILLS):
        seen = len(mortal.target.calls) + 2  # an item in whose presence it dies three times is a failure
        await eventually(lambda seen=seen: len(mortal.target.calls) > seen, seconds=30)
        await asyncio.sleep(random.uniform(0, 0.1))
        await mortal.kill()
        await mortal.start()
    await assert_chain_is_whole(mortal, ["success"] * 3 * CHAIN)


async def assert_chain_is_whole(mortal: Mortal, statuses: list[str]) -> None:
    """Every session has its one end, each was begun after the one before it, and all accounts agree."""
    (backfill,) = await rows(mortal, "SELECT id::text FROM backfills")
    await mortal.daemon.ends(backfill["id"], seconds=60)
    await assert_exact(mortal.daemon, mortal.dsn, backfill["id"], planned=len(statuses))
    found = await rows(
        mortal,
        "SELECT CASE WHEN succeeded THEN 'success' WHEN cancel_requested_at IS NOT NULL THEN 'killed' ELSE 'error' END,"
        "       finished_at IS NOT NULL AND running_since IS NULL FROM attempts ORDER BY position",
    )
    order = list(dict.fromkeys(call.entity_id for call in mortal.target.calls))

    assert statuses == [row[0] for row in found]
    assert all(row[1] for row in found)
    assert sorted(order) == order
    assert {1} >= set(mortal.target.most_live.values())
    assert_keys_never_change(mortal.target)
    tried_again = sum(call.status == 500 for call in mortal.target.calls)
    assert repeats(mortal.target) <= mortal.kills * (MAX_UNRECORDED + 1) + tried_again
    await assert_audit_is_whole(mortal.dsn, backfill["id"])
