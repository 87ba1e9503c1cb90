"""PATCH of a backfill: which settings may be changed, by whom it is refused, and what is left behind."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfills import ALWAYS, make_backfill, make_workflow, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl
from tests.support.schedules import backfill_days, make_schedule

from backfilld.api.public.backfills.bodies import CHANGEABLE
from backfilld.domain.backfill_settings import FailurePolicy
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, ReasonCode, Status
from backfilld.domain.windows.weekly import WEEKDAYS
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
S = Status
NIGHTS = {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}
LATER = {"monday": [{"run_start_time": "20:00", "run_end_time": "21:00"}]}
# every setting that may be changed: a value, how it is shown, and what null makes of it (...: refused)
CHANGES: dict[str, tuple[Any, Any, Any]] = {
    "max_in_flight": (2, 2, ...),
    "daily_execution_windows": (NIGHTS, {day: [] for day in WEEKDAYS} | NIGHTS, ...),
    "timezone": ("Asia/Tokyo", "Asia/Tokyo", "UTC"),
    "excluded_dates": (["2027-12-25", "2027-12-24"], ["2027-12-24", "2027-12-25"], []),
    "max_attempts": (7, 7, 4),
    "starts_per_minute": (0.5, 0.5, None),
    "failure_policy": ({"window": 100}, asdict(FailurePolicy(window=100)), asdict(FailurePolicy())),
    "max_credits": (50, 50, None),
    "slow_down": ({"latency_ms": 500}, {"latency_ms": 500, "of": "p90", "over": 20}, None),
    "recheck": (True, True, False),
    "name": ("night", "night", None),
}


async def edit(client: Client, id: object, changes: Any, **headers: str) -> tuple[int, Any]:
    answer = await client.patch(
        f"{PATH}/{id}", json=changes, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    return answer.status, await answer.json()


async def stored(pool: Pool, backfill: Backfill) -> Backfill:
    return await BackfillStore(pool).get(backfill.id)


async def audited(pool: Pool) -> list[tuple[Any, ...]]:
    rows = await pool.fetch("SELECT actor, action, reason, old, new FROM audit_log ORDER BY id")
    return [(*list(row)[:3], json.loads(row["old"]), json.loads(row["new"])) for row in rows]


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    return await make_backfill(pool, await make_workflow(pool, max_attempts=4))


def test_every_setting_that_may_be_changed_is_tried_here() -> None:
    assert set(CHANGES) == set(CHANGEABLE)


async def test_each_setting_can_be_changed_and_restored(client: Client, pool: Pool, backfill) -> None:
    for name, (value, shown, default) in CHANGES.items():
        before = await stored(pool, backfill)
        status, document = await edit(client, backfill.id, {name: value})
        got = document["data"]["backfill"]
        restored, other = await edit(client, backfill.id, {name: None})

        assert (200, shown, before.version + 1) == (status, got[name], got["version"]), name
        if default is ...:
            fault = other["error"]["details"][0]
            assert (422, f"/{name}", "no_default") == (restored, fault["path"], fault["code"])
        else:
            assert (200, default) == (restored, other["data"]["backfill"][name]), name


async def test_a_change_is_confirmed_by_the_owner_and_each_value_written_down_once(
    client: Client, pool: Pool, control: FakeControl, backfill
) -> None:
    changes = {"max_in_flight": 2, "excluded_dates": ["2027-12-24"], "max_attempts": 3, "reason": "too much load"}
    for _ in range(2):
        await edit(client, backfill.id, changes)  # the second time nothing is different

    assert [(backfill.number, 2), (backfill.number, 2)] == control.confirmed
    assert [
        ("key:operator", "backfill.change", "too much load", {"max_in_flight": 5}, {"max_in_flight": 2}),
        ("key:operator", "backfill.change", "too much load", {"excluded_dates": []},
         {"excluded_dates": ["2027-12-24"]}),
    ] == await audited(pool)  # fmt: skip


async def test_what_nobody_confirms_is_stored_and_said_so(
    client: Client, pool: Pool, control: FakeControl, backfill
) -> None:
    control.is_deaf = True
    status, document = await edit(client, backfill.id, {"max_in_flight": 1})

    assert (503, "not_confirmed") == (status, document["error"]["code"])
    assert 1 == (await stored(pool, backfill)).settings.max_in_flight


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({}, [("", "empty")]),
    ({"reason": "why"}, [("", "empty")]),
    ({"max_inflight": 3}, [("/max_inflight", "unknown_field")]),
    ({"start": "now"}, [("/start", "unknown_field")]),
    (
        {"max_in_flight": 11, "max_attempts": 0, "timezone": "Mars/Olympus", "excluded_dates": ["2027-02-30"],
         "daily_execution_windows": {"mondey": []}},
        [("/max_in_flight", "out_of_range"), ("/excluded_dates/0", "invalid_date"),
         ("/max_attempts", "out_of_range"), ("/timezone", "unknown_timezone"),
         ("/daily_execution_windows/mondey", "unknown_field")],
    ),
    (
        {"max_in_flight": None, "max_attempts": 21},
        [("/max_attempts", "out_of_range"), ("/max_in_flight", "no_default")],
    ),
    ({"name": "good", "max_attempts": "3"}, [("/max_attempts", "invalid_type")]),
]  # fmt: skip


async def test_all_that_is_wrong_is_named_and_nothing_is_changed(client: Client, pool: Pool, backfill) -> None:
    for changes, faults in WRONG:
        status, document = await edit(client, backfill.id, changes)

        assert 422 == status, changes
        assert sorted(faults) == sorted((one["path"], one["code"]) for one in document["error"]["details"]), changes
    assert backfill == await stored(pool, backfill)


@pytest.mark.parametrize("held", ["2", '"2"', "*", '"1", "2"', '"2", "x"', None])
async def test_who_knows_the_version_may_change_it(client: Client, pool: Pool, backfill, held: str | None) -> None:
    await edit(client, backfill.id, {"max_in_flight": 2})
    status, _ = await edit(client, backfill.id, {"max_in_flight": 3}, **({} if held is None else {"If_Match": held}))

    assert (200, 3) == (status, (await stored(pool, backfill)).settings.max_in_flight)


async def test_of_two_editors_the_second_is_shown_what_the_first_made_of_it(client: Client, backfill) -> None:
    await edit(client, backfill.id, {"max_in_flight": 2})
    present = (await (await client.get(f"{PATH}/{backfill.id}")).json())["data"]["backfill"]
    for held in ("1", '"1"', 'W/"2"', "x", '""', "-2", "02x"):
        status, document = await edit(client, backfill.id, {"max_in_flight": 3}, If_Match=held)

        assert (412, "version_mismatch", present) == (
            status, document["error"]["code"], document["error"]["current"],
        ), held  # fmt: skip
    assert present == (await (await client.get(f"{PATH}/{backfill.id}")).json())["data"]["backfill"]
    assert 2 == present["max_in_flight"]


async def test_the_answer_names_the_version_for_the_next_change(client: Client, backfill) -> None:
    answer = await client.patch(f"{PATH}/{backfill.id}", json={"name": "a"}, headers={"If-Match": "1"})
    again = await client.patch(
        f"{PATH}/{backfill.id}", json={"name": "b"}, headers={"If-Match": answer.headers["ETag"]}
    )

    assert ('"2"', 200, '"3"') == (answer.headers["ETag"], again.status, again.headers["ETag"])


async def test_no_such_backfill_is_404(client: Client, backfill) -> None:
    assert 404 == (await edit(client, "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11", {"max_in_flight": 2}))[0]


async def test_only_what_goes_on_can_be_changed(client: Client, pool: Pool) -> None:
    for status in Status:
        backfill = await make_backfill(pool)
        await put_into(pool, backfill, status)
        got, document = await edit(client, backfill.id, {"max_in_flight": 1}, If_Match="7" if status in ENDED else "*")

        if status in ENDED | {S.CANCELLING}:
            assert (409, "illegal_transition", status) == (got, document["error"]["code"], document["error"]["status"])
        else:
            assert (200, status) == (got, document["data"]["backfill"]["status"])


# Windows


async def held(pool: Pool, backfill: Backfill, status: Status, code: ReasonCode | None, **facts: Any) -> None:
    """It stands there, for that reason, until ten in the evening."""
    until = NOON + timedelta(hours=10)
    reason: Reason | None = code and because(code, since=NOON - timedelta(hours=3), until=until, **facts)
    await put_into(pool, backfill, status)
    row = await BackfillStore(pool).move(
        backfill.number, status, reason=reason, at=NOON, expected=(status,), wake_at=code and until
    )
    assert row is not None


RETRIES = {"case": "items"}
# where it stands, and why; its windows before and after; where it stands then, why, since and until when, when it wakes
TEN, EIGHT, NINE = NOON + timedelta(hours=10), NOON + timedelta(hours=8), NOON - timedelta(hours=3)
OPENED, CLOSED = (S.RUNNING, None, None, None, NOON), (S.WAITING, "outside_window", NOON, EIGHT, EIGHT)
STILL_CLOSED = (S.WAITING, "outside_window", NINE, EIGHT, EIGHT)
EDITS = {
    "closed to open": (S.WAITING, "outside_window", {}, NIGHTS, ALWAYS, OPENED),
    "closed to closed": (S.WAITING, "outside_window", {}, NIGHTS, LATER, STILL_CLOSED),
    "never to open": (S.WAITING, "never_opens", {"days": 400}, {}, ALWAYS, OPENED),
    "never to closed": (S.WAITING, "never_opens", {"days": 400}, {}, LATER, CLOSED),
    "retries, open to closed": (S.WAITING, "waiting_for_retry", RETRIES, ALWAYS, LATER, CLOSED),
    "retries, open to open": (
        S.WAITING, "waiting_for_retry", RETRIES, ALWAYS, NIGHTS | {"monday": ALWAYS["monday"]},
        (S.WAITING, "waiting_for_retry", NINE, TEN, TEN),
    ),
    "running to closed": (S.RUNNING, None, {}, ALWAYS, LATER, (S.RUNNING, None, None, None, None)),
    "planning to open": (S.PLANNING, "outside_window", {}, NIGHTS, ALWAYS, (S.PLANNING, None, None, None, NOON)),
    "paused": (
        S.PAUSED, "paused_by_user", {"who": "ops"}, NIGHTS, ALWAYS, (S.PAUSED, "paused_by_user", NINE, TEN, TEN),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EDITS)
async def test_status_and_reason_follow_the_windows(client: Client, pool: Pool, case: str) -> None:
    status, code, facts, before, after, expected = EDITS[case]
    backfill = await make_backfill(pool, daily_execution_windows=before)
    await held(pool, backfill, status, code and ReasonCode(code), **facts)
    await edit(client, backfill.id, {"daily_execution_windows": after})
    row = await stored(pool, backfill)
    reason = row.reason

    assert expected == (
        row.status, reason and reason.code, reason and reason.since, reason and reason.until, row.wake_at,
    )  # fmt: skip
    (_, action, _, old, new) = (await audited(pool))[-1]
    moved = (status, code) != (row.status, reason and reason.code)

    assert "backfill.change" == action
    assert moved is ("status" in new) is ("status" in old)
    assert [] == await pool.fetch("SELECT FROM outages WHERE ended_at IS NULL AND code <> $1", code or "")


async def test_the_end_is_reckoned_by_the_new_windows(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool, daily_execution_windows=ALWAYS)
    await held(pool, backfill, S.RUNNING, None)
    await pool.execute("UPDATE backfill_progress SET planned = 7200, throughput = 1")
    _, document = await edit(client, backfill.id, {"daily_execution_windows": NIGHTS})
    shown = document["data"]["backfill"]

    assert ("2027-03-02T00:00:00Z", False, "2027-03-01T22:00:00Z") == (
        shown["estimated_completion_at"], shown["window"]["open"], shown["window"]["next_open_at"],
    )  # fmt: skip


async def test_windows_that_never_open_are_taken_with_a_warning(client: Client, backfill) -> None:
    mondays = [(NOON + timedelta(weeks=week)).date().isoformat() for week in range(60)]
    changes = {"daily_execution_windows": NIGHTS, "excluded_dates": mondays}
    status, document = await edit(client, backfill.id, changes)

    assert (200, True) == (status, any("do not open" in one for one in document["meta"]["warnings"]))


# Of kind schedule


async def of_sessions(pool: Pool, **options: Any) -> str:
    schedule = await make_schedule(pool, timezone="Asia/Tokyo", max_attempts=2)
    return str((await backfill_days(pool, schedule, **options)).backfill_id)


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1)])
async def test_a_chain_stays_a_chain(client: Client, pool: Pool, before: int, after: int) -> None:
    id = await of_sessions(pool, max_in_flight=before)
    status, document = await edit(client, id, {"max_in_flight": after, "max_attempts": 2})
    same, _ = await edit(client, id, {"max_in_flight": before})

    assert (422, "serial_chain", 200) == (status, document["error"]["code"], same)


async def test_sessions_may_run_more_at_once_always_and_by_the_clock_of_their_workflow(
    client: Client, pool: Pool
) -> None:
    id = await of_sessions(pool, max_in_flight=4, windows=NIGHTS)
    await edit(client, id, {"timezone": "UTC", "max_attempts": 9})
    null = {"daily_execution_windows": None, "timezone": None, "max_attempts": None}
    _, document = await edit(client, id, null | {"max_in_flight": 6})
    shown = document["data"]["backfill"]

    assert (6, None, "Asia/Tokyo", 2, True) == (
        shown["max_in_flight"], shown["daily_execution_windows"], shown["timezone"], shown["max_attempts"],
        shown["window"]["open"],
    )  # fmt: skip


async def warned(client: Client, id: object) -> list[str]:
    answer = await (await client.get(f"{PATH}/{id}")).json()
    found: list[str] = answer["meta"]["warnings"]
    return found


async def test_edits_after_an_approval_are_shown_with_it_and_edits_before_are_not(
    client: Client, pool: Pool, backfill: Backfill
) -> None:
    held = because(ReasonCode.AWAITING_APPROVAL, since=NOON, to_run=3, left_out=None)
    await BackfillStore(pool).move(backfill.number, S.PAUSED, reason=held, at=NOON, planned_at=NOON)
    await edit(client, backfill.id, {"max_in_flight": 3})
    await client.post(f"{PATH}/{backfill.id}/resume", json={})
    as_approved = await warned(client, backfill.id)
    _, first = await edit(client, backfill.id, {"max_in_flight": 4, "name": "again"})
    await edit(client, backfill.id, {"max_attempts": 9})
    approver = (await stored(pool, backfill)).approved_by
    at = "(last at 2027-03-01T12:00:00Z)"

    assert [] == as_approved
    assert [f"changed since it was approved by {approver}: max_in_flight, name {at}"] == first["meta"]["warnings"]
    assert [f"changed since it was approved by {approver}: max_attempts, max_in_flight, name {at}"] == await warned(
        client, backfill.id
    )


async def test_a_change_of_what_nobody_had_to_approve_is_no_matter(client: Client, backfill: Backfill) -> None:
    await edit(client, backfill.id, {"max_in_flight": 3})

    assert [] == await warned(client, backfill.id)
