"""How a backfill went: the points that are written down, the samples that are told, the rate that they come to."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403
from tests.api.backfill_fixtures import PATH
from tests.api.conftest import Client
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON, FakeClock

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.removal import RemovalStore
from backfilld.store.connection.pool import Pool
from backfilld.store.history.progress_points import ProgressPoints

R, S = ReasonCode, Status
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def running(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, S.RUNNING)
    await pool.execute("UPDATE backfill_progress SET planned = 10000, throughput = 1")
    return await BackfillStore(pool).get(backfill.id)


async def works(pool: Pool, backfill: Backfill, minutes: int, per_minute: int) -> None:
    """So many minutes from noon on, each with its point."""
    for minute in range(minutes + 1):
        await pool.execute("UPDATE backfill_progress SET succeeded = $1", minute * per_minute)
        await ProgressPoints(pool).note_minute(NOON + minute * MINUTE + timedelta(seconds=7))


async def asked(client: Client, id: object, rest: str = "", status: int = 200) -> dict:
    answer = await client.get(f"{PATH}/{id}{rest}")
    document = await answer.json()
    assert status == answer.status, document
    return document["data"] if status == 200 else document["error"]


async def test_a_minute_has_one_point_however_many_daemons_look(pool: Pool, running: Backfill):
    points = ProgressPoints(pool)
    for second in (0, 7, 30, 59.9, 60, 61):
        await points.note_minute(NOON + timedelta(seconds=second))

    assert [NOON, NOON + MINUTE] == [
        row["at"] for row in await pool.fetch("SELECT at FROM progress_points ORDER BY at")
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "points"), [(S.RUNNING, 3), (S.PLANNING, 3), (S.CANCELLING, 3), (S.WAITING, 1),
                                                (S.PAUSED, 1), (S.COMPLETED, 0)])  # fmt: skip
async def test_what_stands_still_has_one_point_until_it_moves(
    pool: Pool, running: Backfill, status: Status, points: int
):
    await put_into(pool, running, status)
    for minute in range(3):
        await ProgressPoints(pool).note_minute(NOON + minute * MINUTE)

    assert points == await pool.fetchval("SELECT count(*) FROM progress_points")


async def test_each_move_of_the_status_is_a_point(pool: Pool, running: Backfill):
    store = BackfillStore(pool)
    await pool.execute("UPDATE backfill_progress SET succeeded = 7, failed = 2, credits_used = 1.5")
    await store.move(running.number, S.PAUSED, reason=because(R.PAUSED_BY_USER, since=NOON, who="ops"), at=NOON)
    await store.move(running.number, S.RUNNING, reason=None, at=NOON + timedelta(seconds=5))
    away = because(R.TARGET_UNREACHABLE, since=NOON, target="crm")
    await store.move(running.number, S.RUNNING, reason=away, expected=(S.RUNNING,), at=NOON + timedelta(seconds=6))
    found = await pool.fetch("SELECT at, succeeded, failed, credits, reason_code FROM progress_points ORDER BY at")

    assert [(NOON, 7, 2, 1.5, "paused_by_user"), (NOON + timedelta(seconds=5), 7, 2, 1.5, None)] == [
        tuple(row) for row in found
    ]


async def test_samples_are_cumulative_and_end_with_the_present(
    client: Client, pool: Pool, running: Backfill, clock: FakeClock
):
    await works(pool, running, 3, 10)
    await pool.execute("UPDATE backfill_progress SET succeeded = 33, failed = 1")
    clock.set(NOON + 3 * MINUTE + timedelta(seconds=30))
    data = await asked(client, running.id, "/progress")

    assert [0, 10, 20, 30, 33] == [sample["succeeded"] for sample in data["samples"]]
    assert ("2027-03-01T12:03:30Z", 1, None) == tuple(
        data["samples"][-1][name] for name in ("at", "failed", "reason_code")
    )
    assert 60 == data["step"]


async def test_samples_of_a_stretch_begin_with_what_they_count_from(
    client: Client, pool: Pool, running: Backfill, clock: FakeClock
):
    clock.set(NOON + 60 * MINUTE)
    await works(pool, running, 9, 10)
    data = await asked(client, running.id, "/progress?from=2027-03-01T12:04:00Z&to=2027-03-01T12:08:00Z&step=120")

    assert [30, 50, 70] == [sample["succeeded"] for sample in data["samples"]]


async def test_there_are_never_more_samples_than_can_be_drawn(client: Client, pool: Pool, running: Backfill):
    data = await asked(client, running.id, "/progress?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z&step=60")

    assert 365 * 86_400 / 1_500 <= data["step"] < 2 * 365 * 86_400 / 1_500


@pytest.mark.parametrize("query", ["from=yesterday", "step=1", "from=2027-03-01T12:00:00Z&to=2027-03-01T12:00:00Z"])
async def test_what_is_asked_wrongly_is_told(client: Client, running: Backfill, query: str):
    assert "details" in await asked(client, running.id, f"/progress?{query}", status=422)


async def test_an_unknown_backfill_has_no_progress(client: Client):
    await asked(client, uuid4(), "/progress", status=404)


async def test_the_rate_while_open_makes_the_estimate_and_its_range(
    client: Client, pool: Pool, running: Backfill, clock: FakeClock
):
    await works(pool, running, 40, 100)
    clock.set(NOON + 40 * MINUTE + timedelta(seconds=7))
    shown = (await asked(client, running.id))["backfill"]
    (listed,) = (await (await client.get(PATH)).json())["data"]["backfills"]
    expected = "2027-03-01T13:40:07Z"  # 6,000 are left, at 100 a minute

    assert (100.0, expected) == (shown["rate_while_open_per_minute"], shown["estimated_completion_at"])
    assert {"earliest": expected, "latest": expected} == shown["estimated_completion_range"]
    assert listed == shown


@pytest.mark.parametrize(("method", "path", "sent"), [
    ("POST", "/pause", None), ("POST", "/resume", None), ("POST", "/try-now", None),
    ("POST", "/override", {"until": "2027-03-01T14:00:00Z", "reason": "month end"}),
    ("PATCH", "", {"name": "another"}),
])  # fmt: skip
async def test_every_answer_shows_the_same_backfill(
    client: Client, pool: Pool, running: Backfill, clock: FakeClock, method: str, path: str, sent: Any
) -> None:
    await works(pool, running, 40, 100)
    clock.set(NOON + 40 * MINUTE)
    answer = await client.request(method, f"{PATH}/{running.id}{path}", json=sent)
    told = (await answer.json())["data"]["backfill"]
    shown = (await asked(client, running.id))["backfill"]

    assert None is not told["rate_while_open_per_minute"]
    assert shown == told


async def test_while_nothing_can_start_there_are_no_estimates(
    client: Client, pool: Pool, running: Backfill, clock: FakeClock
):
    await works(pool, running, 40, 100)
    clock.set(NOON + 40 * MINUTE)
    reason = because(R.PAUSED_BY_USER, since=clock.now(), who="ops")
    await BackfillStore(pool).move(running.number, S.PAUSED, reason=reason, at=clock.now())
    shown = (await asked(client, running.id))["backfill"]

    assert [None] * 3 == [
        shown[name] for name in ("throughput_per_minute", "estimated_completion_at", "estimated_completion_range")
    ]


async def test_of_old_points_the_last_of_each_stretch_stays(pool: Pool, running: Backfill):
    await works(pool, running, 29, 10)
    gone = await RemovalStore(pool).thin_points(NOON - timedelta(days=1), NOON + timedelta(days=1), 10 * MINUTE)
    left = await pool.fetch("SELECT succeeded FROM progress_points ORDER BY at")

    assert (27, [90, 190, 290]) == (gone, [row["succeeded"] for row in left])


async def test_points_go_with_their_backfill(pool: Pool, running: Backfill):
    await works(pool, running, 2, 10)
    await pool.execute("DELETE FROM backfills")

    assert 0 == await pool.fetchval("SELECT count(*) FROM progress_points")
