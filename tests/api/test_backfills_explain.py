"""Why nothing, or not more, is starting, as it is answered."""

from datetime import timedelta
from uuid import uuid4

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403
from tests.api.backfill_fixtures import PATH
from tests.api.conftest import Client
from tests.support.backfills import change_settings, make_backfill, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl, FakeLive

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.owner.sharing import Neighbour, Sharing
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

R = ReasonCode
ME, OTHER = Neighbour("me", 1, "crm:443", "crm", "autotask"), Neighbour("Migrate", 10, "crm:443", "crm", "autotask")
TUESDAY = {"tuesday": [{"run_start_time": "22:00", "run_end_time": "23:00"}]}


async def explained(client: Client, id: object) -> dict:
    answer = await client.get(f"{PATH}/{id}/explain")
    assert 200 == answer.status, await answer.text()
    return (await answer.json())["data"]


async def test_every_blocker_is_told_in_the_order_of_the_gate_by_whoever_is_asked(client: Client, pool: Pool, control):
    """No owner is here: what was written down, and what any daemon can tell."""
    backfill = await make_backfill(pool, timezone="America/New_York", daily_execution_windows=TUESDAY)
    await put_into(pool, backfill, Status.RUNNING)
    reason = because(R.TARGET_REFUSES, since=NOON, target="crm", problem="HTTP 401")
    await BackfillStore(pool).move(backfill.number, Status.PAUSED, reason=because(
        R.PAUSED_BY_USER, since=NOON, who="ops", why="re-indexing"), at=NOON)  # fmt: skip
    control.stopped = because(R.STOPPED_BY_OPERATOR, since=NOON, who="admin")
    await pool.execute("UPDATE workflows SET enabled = false")
    data = await explained(client, backfill.id)

    assert ["paused_by_user", "workflow_disabled", "outside_window", "stopped_by_operator"] == [
        blocker["code"] for blocker in data["blockers"]
    ]
    assert "Paused by ops just now: “re-indexing”." == data["sentences"][0] == data["blockers"][0]["text"]
    assert "It is also closed until Tue 22:00 New York." in data["sentences"]
    assert (False, None) == (data["starting"], data["next_start_at"])
    assert reason.code is R.TARGET_REFUSES


@pytest.mark.parametrize("reasons", [(), (because(R.RATE_LIMITED, since=NOON, target="crm"),)])
async def test_the_first_blocker_is_the_reason_that_is_shown(client: Client, pool: Pool, control: FakeControl, reasons):
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    await pool.execute("UPDATE backfill_progress SET planned = 9")
    hold = because(R.TARGET_UNREACHABLE, since=NOON, until=NOON + timedelta(seconds=21), target="crm:443")
    control.lives[backfill.number] = FakeLive(frozenset({3}), 0, hold, (hold, *reasons), sharing=Sharing(2, 90, ME))
    data = await explained(client, backfill.id)
    shown = (await (await client.get(f"{PATH}/{backfill.id}")).json())["data"]["backfill"]

    assert shown["status_reason"]["message"] == data["blockers"][0]["text"] == data["sentences"][0]
    assert ["target_unreachable", *(reason.code for reason in reasons)] == [one["code"] for one in data["blockers"]]
    assert "Asked again in 21 s; no item is charged a try; goes on by itself." == data["blockers"][0]["remedy"]
    assert {"max_in_flight": 1, "max_in_flight_total": 2} == {one["what"]: one["in_use"] for one in data["limits"]}


@pytest.mark.parametrize(
    ("code", "facts", "sentences"),
    [
        (
            R.WAITING_FOR_CAPACITY,
            {"case": "places", "places": 90},
            ["All 90 places of this daemon are taken, by “Migrate” 10, “me” 1."],
        ),
        (
            R.RATE_LIMITED,
            {"target": "crm"},
            ["The target asked us to slow down.", "Holds for every backfill that uses it: also “Migrate”."],
        ),
        (
            R.SOURCE_BUDGET,
            {},
            ["The source may not be asked more now.", "It goes on by itself; used by “Migrate”, too. 0 are left."],
        ),
    ],
    ids=str,
)
async def test_who_else_uses_what_it_waits_for_is_named(
    client: Client, pool: Pool, control: FakeControl, code, facts, sentences
):
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    hold = because(code, since=NOON, **facts)
    sharing = Sharing(90, 90, ME, (OTHER,))
    control.lives[backfill.number] = FakeLive(frozenset({3}), 0, hold, (hold,), sharing=sharing)
    data = await explained(client, backfill.id)
    shown = (await (await client.get(f"{PATH}/{backfill.id}")).json())["data"]["backfill"]

    assert sentences == data["sentences"][: len(sentences)]
    assert sentences[0] == shown["status_reason"]["message"]


async def test_values_stand_in_the_sentences_with_their_types(client: Client, pool: Pool, clock: FakeClock):
    backfill = await make_backfill(pool, daily_execution_windows=TUESDAY)
    await put_into(pool, backfill, Status.WAITING)
    data = await explained(client, backfill.id)

    assert [
        "Closed now. The next opening starts ", {"type": "time", "value": "2027-03-02T22:00:00Z"}, ", ",
        {"type": "in", "value": "2027-03-02T22:00:00Z"}, ".",
    ] == data["parts"][0]  # fmt: skip
    assert "Closed now. The next opening starts Tue 22:00 UTC, in 1 d 10 h." == data["sentences"][0]
    assert "2027-03-02T22:00:00Z" == data["next_start_at"]


async def test_who_disabled_the_workflow_is_said(client: Client, pool: Pool):
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    await pool.execute("UPDATE workflows SET enabled = false")
    await pool.execute(
        "INSERT INTO audit_log (at, actor, action, subject, new) VALUES ($1, 'cli', 'workflow.edit', $2, $3)",
        NOON - timedelta(hours=3), f"workflow/{backfill.workflow_id}", '{"enabled": false}',
    )  # fmt: skip
    data = await explained(client, backfill.id)

    assert f"The workflow {backfill.workflow_name} is disabled since Mon 09:00 UTC by cli." == data["sentences"][0]
    assert "cli" == data["blockers"][0]["by"]


async def test_who_disabled_it_is_not_taken_for_who_paused_it_and_both_say_why(client: Client, pool: Pool):
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    await BackfillStore(pool).move(backfill.number, Status.PAUSED, reason=because(
        R.PAUSED_BY_USER, since=NOON, who="ops", why="re-indexing"), at=NOON)  # fmt: skip
    await pool.execute("UPDATE workflows SET enabled = false")
    await pool.execute(
        "INSERT INTO audit_log (at, actor, action, subject, reason, new)"
        " VALUES ($1, 'cli', 'workflow.edit', $2, $3, $4)",
        NOON, f"workflow/{backfill.workflow_id}", "its address is wrong", '{"enabled": false}',
    )  # fmt: skip
    data = await explained(client, backfill.id)
    told = {blocker["code"]: (blocker["by"], blocker["text"]) for blocker in data["blockers"]}

    assert ("ops", "Paused by ops just now: “re-indexing”.") == told["paused_by_user"]
    name = backfill.workflow_name
    assert (
        "cli", f"The workflow {name} is disabled since Mon 12:00 UTC by cli: “its address is wrong”.",
    ) == told["workflow_disabled"]  # fmt: skip


async def test_retries_are_told_with_how_they_failed(client: Client, pool: Pool):
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    await pool.execute("UPDATE backfill_progress SET planned = 9, succeeded = 5, retrying = 4")
    await pool.execute(
        "INSERT INTO retries (backfill_number, position, tries, counted, next_attempt_at, last_failed_at, error_class)"
        " SELECT $1, n, 1, 1, $2, $2, 'http_500' FROM generate_series(5, 8) AS n", backfill.number, NOON,
    )  # fmt: skip
    reason = because(R.WAITING_FOR_RETRY, since=NOON, until=NOON + timedelta(seconds=38), case="items")
    await BackfillStore(pool).move(backfill.number, Status.WAITING, reason=reason, at=NOON)
    data = await explained(client, backfill.id)

    assert [
        "Only retries are left: 4, the next in 38 s.",
        "They failed with http_500; after 2 more tries each counts as failed.",
    ] == data["sentences"]


async def test_windows_that_cannot_be_read_hide_nothing_else(client: Client, pool: Pool):
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    await change_settings(pool, backfill, timezone="Nowhere/Atlantis")

    assert (await explained(client, backfill.id))["sentences"]


async def test_an_unknown_backfill_is_not_found(client: Client):
    assert 404 == (await client.get(f"{PATH}/{uuid4()}/explain")).status


@pytest.mark.parametrize("status", [Status.PLANNING, Status.PAUSED, Status.RUNNING, Status.WAITING])
async def test_its_own_limits_are_told_whether_it_may_start_or_not(client: Client, pool: Pool, status: Status) -> None:
    backfill = await make_backfill(pool, starts_per_minute=10, max_credits=20)
    if status is not Status.PLANNING:
        await put_into(pool, backfill, status)
    data = await explained(client, backfill.id)

    assert {"max_in_flight": 5, "starts_per_minute": 10, "max_credits": 20} == {
        limit["what"]: limit["value"] for limit in data["limits"]
    }


async def test_an_end_that_is_too_far_is_said_so(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool, starts_per_minute=0.00001)
    await pool.execute("UPDATE backfill_progress SET planned = 1000, throughput = 1")
    await put_into(pool, backfill, Status.RUNNING)
    data = await explained(client, backfill.id)

    assert "1,000 are left; the end cannot be estimated: it is more than ten years away." == data["sentences"][-1]
