"""Pause, resume and cancel: what they answer, what they leave alone, and what they leave behind."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
S = Status
NIGHTS = {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}

# from each status: what becomes of it (None: refused)
AFTER: dict[str, dict[Status, Status | None]] = {
    "pause": {
        S.PLANNING: S.PAUSED, S.RUNNING: S.PAUSED, S.WAITING: S.PAUSED, S.PAUSED: S.PAUSED, S.CANCELLING: None,
        S.CANCELLED: None, S.COMPLETED: None, S.COMPLETED_WITH_FAILURES: None, S.FAILED: None,
    },
    "resume": {
        S.PLANNING: S.PLANNING, S.RUNNING: S.RUNNING, S.WAITING: S.WAITING, S.PAUSED: S.RUNNING, S.CANCELLING: None,
        S.CANCELLED: None, S.COMPLETED: None, S.COMPLETED_WITH_FAILURES: None, S.FAILED: None,
    },
    "cancel": {
        S.PLANNING: S.CANCELLING, S.RUNNING: S.CANCELLING, S.WAITING: S.CANCELLING, S.PAUSED: S.CANCELLING,
        S.CANCELLING: S.CANCELLING, S.CANCELLED: S.CANCELLED, S.COMPLETED: None, S.COMPLETED_WITH_FAILURES: None,
        S.FAILED: None,
    },
}  # fmt: skip


async def steer(client: Client, id: object, action: str, **settings: Any) -> tuple[int, Any]:
    answer = await client.post(f"{PATH}/{id}/{action}", **settings)
    return answer.status, await answer.json()


@pytest.mark.parametrize("action", AFTER)
async def test_each_status_answers_as_the_table_of_moves_says(client: Client, pool: Pool, action: str) -> None:
    backfill = await make_backfill(pool)
    for status, expected in AFTER[action].items():
        await put_into(pool, backfill, status)
        got, document = await steer(client, backfill.id, action)
        now = await pool.fetchval("SELECT status FROM backfills")

        assert (expected or status) == now, status
        if expected is None:
            assert (409, "illegal_transition", status) == (
                got, document["error"]["code"], document["error"]["status"],
            )  # fmt: skip
        else:
            data = document["data"]
            assert (202, str(backfill.id), action, expected) == (
                got, data["backfill_id"], data["signal"], data["backfill"]["status"],
            )  # fmt: skip


async def test_a_pause_is_answered_when_its_owner_has_confirmed_it(
    client: Client, pool: Pool, control: FakeControl
) -> None:
    backfill = await make_backfill(pool)
    _, document = await steer(client, backfill.id, "pause", json={"reason": "too much load"})
    reason = document["data"]["backfill"]["status_reason"]

    assert [(backfill.number, 2)] == control.confirmed
    assert 1 == control.nudges
    assert ("paused_by_user", "Paused by the operator just now: “too much load”.", "2027-03-01T12:00:00Z", None) == (
        reason["code"], reason["message"], reason["since"], reason["until"],
    )  # fmt: skip


SIX = "2027-03-01T18:00:00Z"


async def test_a_pause_until_says_so_and_is_replaced_or_taken_back_by_the_next(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool, timezone="Asia/Tokyo")
    shown = []
    for body in ({"until": SIX, "reason": "month end"}, {"until": SIX}, {"until": "2027-03-01T22:00:00+02:00"}, {}, {}):
        _, document = await steer(client, backfill.id, "pause", json=body)
        reason = document["data"]["backfill"]["status_reason"]
        shown.append((document["data"]["backfill"]["version"], reason["until"], reason["message"], reason["since"]))
    wakes = await pool.fetchval("SELECT wake_at FROM backfills")
    told = await pool.fetch("SELECT new::jsonb->>'until' FROM audit_log ORDER BY id")

    until = "Paused by the operator just now: “month end”. It goes on by itself Tue {} Tokyo."
    always, since = "Paused by the operator just now: “month end”.", "2027-03-01T12:00:00Z"
    assert [
        (2, SIX, until.format("03:00"), since),
        (2, SIX, until.format("03:00"), since),
        (3, "2027-03-01T20:00:00Z", until.format("05:00"), since),
        (4, None, always, since),
        (4, None, always, since),
    ] == shown
    assert wakes is None
    assert ["2027-03-01T18:00:00Z", "2027-03-01T20:00:00Z", None] == [row[0] for row in told]


@pytest.mark.parametrize(
    ("until", "code"),
    [
        ("2027-03-01T12:00:00Z", "not_in_the_future"),
        ("2026-03-01T12:00:00Z", "not_in_the_future"),
        ("2027-03-01T18:00:00", "invalid_instant"),
        (5, "invalid_type"),
    ],
)
async def test_a_pause_until_needs_a_time_to_come(client: Client, pool: Pool, until: Any, code: str) -> None:
    backfill = await make_backfill(pool)
    status, document = await steer(client, backfill.id, "pause", json={"until": until})
    (fault,) = document["error"]["details"]

    assert (422, "/until", code) == (status, fault["path"], fault["code"])
    assert "planning" == await pool.fetchval("SELECT status FROM backfills")


@pytest.mark.parametrize("code", ["awaiting_approval", "sample_done"])
async def test_what_stands_still_for_another_reason_is_not_made_to_go_on_by_a_pause(
    client: Client, pool: Pool, code: str
) -> None:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, S.PAUSED)
    reason = because(ReasonCode(code), since=NOON, to_run=3)
    before = await BackfillStore(pool).move(backfill.number, S.PAUSED, reason=reason, at=NOON, expected=(S.PAUSED,))
    status, document = await steer(client, backfill.id, "pause", json={"until": SIX})
    (warning,) = document["meta"]["warnings"]

    assert 202 == status
    assert before == await BackfillStore(pool).get(backfill.id)
    assert reason.message in warning


@pytest.mark.parametrize("action", ["pause", "cancel"])
async def test_what_nobody_confirms_is_stored_and_said_so(
    client: Client, pool: Pool, control: FakeControl, action: str
) -> None:
    backfill = await make_backfill(pool)
    control.is_deaf = True
    status, document = await steer(client, backfill.id, action)
    control.is_deaf = False
    again, _ = await steer(client, backfill.id, action)

    assert (503, "not_confirmed") == (status, document["error"]["code"])
    assert 202 == again
    assert [(backfill.number, 2)] == control.confirmed  # the same version: nothing was changed twice


async def test_every_change_is_written_down_once(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    for _ in range(2):
        await steer(client, backfill.id, "pause", json={"reason": "why"})
    rows = await pool.fetch(
        "SELECT actor, action, backfill_number, reason, old::jsonb->>'status', new::jsonb->>'status' FROM audit_log"
    )

    assert [("key:operator", "backfill.pause", backfill.number, "why", "planning", "paused")] == [
        tuple(row) for row in rows
    ]


async def test_resuming_before_the_plan_is_frozen_leads_back_to_planning(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await steer(client, backfill.id, "pause")
    _, document = await steer(client, backfill.id, "resume")

    assert ("planning", None) == (
        document["data"]["backfill"]["status"], document["data"]["backfill"]["status_reason"],
    )  # fmt: skip


async def test_resuming_outside_the_window_waits_for_it(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS)
    await put_into(pool, backfill, S.PAUSED)
    _, document = await steer(client, backfill.id, "resume")
    reason = document["data"]["backfill"]["status_reason"]

    assert "waiting" == document["data"]["backfill"]["status"]
    assert ("outside_window", "2027-03-01T22:00:00Z") == (reason["code"], reason["until"])
    assert NOON + timedelta(hours=10) == await pool.fetchval("SELECT wake_at FROM backfills")


async def test_resuming_under_an_order_to_stop_does_not_say_that_it_runs(
    client: Client, pool: Pool, control: FakeControl
) -> None:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, S.PAUSED)
    control.stopped = because(ReasonCode.STOPPED_BY_OPERATOR, since=NOON, who="admin", why="incident 4711")
    _, document = await steer(client, backfill.id, "resume")

    assert (
        "resumed: it is running now, but nothing starts yet: Everything was stopped by admin just now: “incident 4711”."
        == document["data"]["message"]
    )


async def test_resuming_inside_the_window_runs(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS)
    await put_into(pool, backfill, S.PAUSED)
    clock.set(NOON + timedelta(hours=11))
    _, document = await steer(client, backfill.id, "resume")

    assert "running" == document["data"]["backfill"]["status"]


async def test_resuming_what_never_opens_says_so(client: Client, pool: Pool) -> None:
    dates = frozenset((NOON + timedelta(days=7 * week)).date() for week in range(60))
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS, excluded_dates=dates)
    await put_into(pool, backfill, S.PAUSED)
    _, document = await steer(client, backfill.id, "resume")

    assert ("waiting", "never_opens") == (
        document["data"]["backfill"]["status"], document["data"]["backfill"]["status_reason"]["code"],
    )  # fmt: skip


async def test_a_cancellation_can_be_made_sharper_but_not_milder(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    seen = []
    for in_flight in ("drain", "cancel", "drain"):
        status, _ = await steer(client, backfill.id, "cancel", json={"in_flight": in_flight})
        seen.append((status, await pool.fetchval("SELECT cancel_in_flight FROM backfills")))

    assert [(202, False), (202, True), (202, True)] == seen
    assert 3 == await pool.fetchval("SELECT version FROM backfills")


@pytest.mark.parametrize("sent", [{}, {"data": b""}, {"json": {}}, {"json": {"reason": None}}])
async def test_a_body_may_be_left_out(client: Client, pool: Pool, sent: dict[str, Any]) -> None:
    backfill = await make_backfill(pool)
    for action in ("pause", "resume", "cancel"):
        status, _ = await steer(client, backfill.id, action, **sent)

        assert 202 == status


async def test_of_pauses_and_cancellations_at_once_cancel_wins(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    actions = ["pause", "cancel", "resume"] * 4
    answers = await asyncio.gather(*(steer(client, backfill.id, action) for action in actions))

    assert {202, 409} >= {status for status, _ in answers}
    assert 4 == sum(status == 202 for (status, _), action in zip(answers, actions, strict=True) if action == "cancel")
    assert "cancelling" == await pool.fetchval("SELECT status FROM backfills")
