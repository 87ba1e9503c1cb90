"""Running outside of the windows until a time: what it opens, what it does not, and how it is taken back."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, ReasonCode, Status
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
S = Status
NIGHTS = {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}
SIX, TEN = "2027-03-01T18:00:00Z", "2027-03-01T22:00:00Z"


async def override(client: Client, backfill: Backfill, until: Any, **more: Any) -> tuple[int, Any]:
    answer = await client.post(f"{PATH}/{backfill.id}/override", json={"until": until} | more)
    return answer.status, await answer.json()


async def shown(client: Client, backfill: Backfill) -> Any:
    return (await (await client.get(f"{PATH}/{backfill.id}")).json())["data"]["backfill"]


async def waits_for_the_night(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS)
    await put_into(pool, backfill, S.WAITING)
    until = NOON + timedelta(hours=10)
    reason = because(ReasonCode.OUTSIDE_WINDOW, since=NOON, until=until)
    await BackfillStore(pool).move(
        backfill.number, S.WAITING, reason=reason, at=NOON, expected=(S.WAITING,), wake_at=until
    )
    return backfill


async def test_it_opens_the_windows_until_then_and_everybody_is_told(
    client: Client, pool: Pool, control: FakeControl
) -> None:
    backfill = await waits_for_the_night(pool)
    await pool.execute("UPDATE backfill_progress SET planned = 36000, throughput = 1")
    status, document = await override(client, backfill, SIX, reason="month end")
    data = document["data"]
    row = await pool.fetchrow("SELECT action, reason, old, new FROM audit_log")

    assert (202, "override", "running", None) == (
        status, data["signal"], data["backfill"]["status"], data["backfill"]["status_reason"],
    )  # fmt: skip
    assert {"open": True, "next_open_at": TEN, "closes_at": SIX, "override_until": SIX} == data["backfill"]["window"]
    assert "2027-03-02T02:00:00Z" == data["backfill"]["estimated_completion_at"]  # six hours, and four of the night
    assert [(backfill.number, data["backfill"]["version"])] == control.confirmed
    assert ("backfill.override", "month end") == (row["action"], row["reason"])
    assert {"override_until": None, "status": "waiting", "status_reason": "outside_window"} == json.loads(row["old"])
    assert {"override_until": SIX, "status": "running", "status_reason": None} == json.loads(row["new"])


async def test_asked_again_it_is_replaced_and_nothing_is_written_for_the_same(client: Client, pool: Pool) -> None:
    backfill = await waits_for_the_night(pool)
    for until in (SIX, "2027-03-01T18:00:00.9Z", "2027-03-02T12:00:00Z"):
        await override(client, backfill, until)
    told = await pool.fetch("SELECT new::jsonb->>'override_until' FROM audit_log ORDER BY id")

    assert [SIX, "2027-03-02T12:00:00Z"] == [row[0] for row in told]


async def test_taken_back_the_windows_alone_count_again(client: Client, pool: Pool, control: FakeControl) -> None:
    backfill = await waits_for_the_night(pool)
    await override(client, backfill, SIX)
    await put_into(pool, backfill, S.WAITING)  # for a retry, say
    answers = [(await client.delete(f"{PATH}/{backfill.id}/override")).status for _ in range(2)]
    now = await shown(client, backfill)

    assert [204, 204] == answers
    assert (TEN, None, TEN) == (
        now["window"]["next_open_at"], now["window"]["override_until"], now["status_reason"]["until"],
    )  # fmt: skip
    assert 2 == await pool.fetchval("SELECT count(*) FROM audit_log")
    assert control.confirmed[-1] == (backfill.number, now["version"])


async def test_one_that_is_over_is_not_shown(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await waits_for_the_night(pool)
    await override(client, backfill, SIX)
    clock.set(NOON + timedelta(hours=6))
    window = (await shown(client, backfill))["window"]

    assert {"open": False, "next_open_at": TEN, "closes_at": None, "override_until": None} == window


NOT_UNTIL = [
    ("2027-03-01T12:00:00Z", "out_of_range"),
    ("2027-03-01T12:00:00.5Z", "out_of_range"),
    ("2027-03-02T12:00:01Z", "out_of_range"),
    ("2027-03-01", "invalid_instant"),
    (None, "invalid_type"),
]


async def test_it_takes_a_time_of_the_next_24_hours(client: Client, pool: Pool) -> None:
    backfill = await waits_for_the_night(pool)
    for until, code in NOT_UNTIL:
        status, document = await override(client, backfill, until)
        (fault,) = document["error"]["details"]

        assert (422, "/until", code) == (status, fault["path"], fault["code"]), until


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_goes_on_can_be_overridden_and_nothing_else(client: Client, pool: Pool, method: str) -> None:
    for status in Status:
        backfill = await make_backfill(pool)
        await put_into(pool, backfill, status)
        body = {"until": SIX} if method == "POST" else None
        answer = await client.request(method, f"{PATH}/{backfill.id}/override", json=body)

        assert (409 if status in ENDED | {S.CANCELLING} else 202 if body else 204) == answer.status, status


async def test_a_pause_stands(client: Client, pool: Pool) -> None:
    backfill = await waits_for_the_night(pool)
    await client.post(f"{PATH}/{backfill.id}/pause")
    _, document = await override(client, backfill, SIX)
    data = document["data"]

    assert ("paused", True) == (data["backfill"]["status"], data["backfill"]["window"]["open"])
    assert "but nothing starts yet: Paused by the operator" in data["message"]
