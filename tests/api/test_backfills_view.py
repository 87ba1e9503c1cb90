"""Backfills as they are shown: one, many, and no more."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfills import Workflow, change_settings, make_backfill, make_workflow, put_into
from tests.support.clock import NOON
from tests.support.fake_control import FakeControl, FakeLive
from tests.support.ledgers import make_ledger

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.windows.weekly import WEEKDAYS
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
ADMIN = {"Authorization": "Bearer admin"}
NIGHTS = {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}
FIELDS = {
    "rate_while_open_per_minute", "estimated_completion_range",
    "id", "parent_backfill_run_id", "children", "entity_type", "filter_spec", "daily_execution_windows", "timezone",
    "max_in_flight", "target_workflow_id", "target_workflow_name", "total_estimated", "created_at", "created_by",
    "created_by_name",
    "started_at", "completed_at", "error", "processed_count", "succeeded_count", "failed_count", "kind", "status",
    "status_reason", "total_entities", "to_run_count", "skipped_count", "cancelled_count", "in_flight_count",
    "retrying_count", "pending_count", "window", "throughput_per_minute", "estimated_completion_at", "credits_used",
    "filter_resolved", "effective_windows", "updated_at", "version", "name", "reason", "start", "entity_ids", "order",
    "reprocess_behavior", "rehearsal", "sample_size", "max_attempts", "starts_per_minute", "failure_policy",
    "max_credits", "slow_down", "recheck", "excluded_dates", "params", "workflow_version", "entity_ids_count",
    "entity_ids_digest", "schedule_id", "session_from",
    "session_to", "stop_on_failure", "approved_by", "approved_at", "ledger_digest",
}  # fmt: skip
ENTRIES = {"a": "succeeded", "b": "failed", "c": "skipped", "d": "retrying", "e": "cancelled", "f": "pending"}


async def show(client: Client, id: object) -> Any:
    answer = await client.get(f"{PATH}/{id}")
    assert 200 == answer.status
    return (await answer.json())["data"]["backfill"]


def parts(backfill: dict[str, Any]) -> list[int]:
    names = ("succeeded", "failed", "skipped", "cancelled", "in_flight", "retrying", "pending")
    return [backfill[f"{name}_count"] for name in names]


async def test_every_field_is_there(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)

    assert FIELDS == set(await show(client, backfill.id))


@pytest.mark.parametrize("written", [{}, {"monday": None}, {"friday": []}, NIGHTS])
async def test_the_windows_are_shown_with_all_seven_days(client: Client, pool: Pool, written: Any) -> None:
    backfill = await make_backfill(pool, daily_execution_windows=written)
    shown = (await show(client, backfill.id))["daily_execution_windows"]

    assert list(WEEKDAYS) == list(shown)
    assert {day: written.get(day) or [] for day in WEEKDAYS} == shown


async def test_a_zone_that_has_left_the_tz_data_hides_nothing(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS)
    await make_ledger(pool, backfill, ENTRIES)
    await change_settings(pool, backfill, timezone="Mars/Base")
    await pool.execute("UPDATE backfills SET status = 'paused', wake_at = NULL")
    shown = await show(client, backfill.id)
    listed = (await (await client.get(PATH)).json())["data"]["backfills"]
    resumed = await client.post(f"{PATH}/{backfill.id}/resume")

    assert ("Mars/Base", {"open": False, "next_open_at": None, "closes_at": None, "override_until": None}) == (
        shown["timezone"], shown["window"],
    )  # fmt: skip
    assert [shown] == listed
    assert 202 == resumed.status


async def test_totals_are_unknown_until_the_plan_is_frozen(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    planning = await show(client, backfill.id)
    await make_ledger(pool, backfill, ENTRIES)
    planned = await show(client, backfill.id)

    assert (None, None) == (planning["total_entities"], planning["to_run_count"])
    assert (6, 6) == (planned["total_entities"], planned["to_run_count"])
    assert [1, 1, 1, 1, 0, 1, 1] == parts(planned)
    assert (3, "2027-03-01T12:00:00Z") == (planned["processed_count"], planned["started_at"])


async def test_what_the_owner_knows_wins_and_still_adds_up(client: Client, pool: Pool, control: FakeControl) -> None:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, ENTRIES)
    await put_into(pool, backfill, Status.RUNNING)
    hold = Reason(ReasonCode.TARGET_UNREACHABLE, "nobody answers", NOON, NOON + timedelta(minutes=1))
    control.lives[backfill.number] = FakeLive(frozenset({3, 5, 9, 11}), 1, hold)
    shown = await show(client, backfill.id)

    assert [1, 1, 1, 1, 2, 0, 0] == parts(shown)
    assert {"code": "target_unreachable", "message": "nobody answers", "since": "2027-03-01T12:00:00Z",
            "until": "2027-03-01T12:01:00Z"} == shown["status_reason"]  # fmt: skip


async def test_the_end_is_estimated_through_closed_hours(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS)
    await make_ledger(pool, backfill, {f"e{number}": "pending" for number in range(4)})
    await put_into(pool, backfill, Status.WAITING)
    unknown = await show(client, backfill.id)
    await pool.execute("UPDATE backfill_progress SET throughput = 0.001")
    known = await show(client, backfill.id)
    await put_into(pool, backfill, Status.PAUSED)
    paused = await show(client, backfill.id)

    assert (None, None) == (unknown["throughput_per_minute"], unknown["estimated_completion_at"])
    assert (0.06, "2027-03-01T23:06:40Z") == (known["throughput_per_minute"], known["estimated_completion_at"])
    assert None is paused["estimated_completion_at"]
    assert {"open": False, "next_open_at": "2027-03-01T22:00:00Z", "closes_at": None, "override_until": None} == known[
        "window"
    ]


ENDS_BY_ITSELF = {"outside_window", "waiting_for_retry", "rate_limited", "waiting_for_capacity", "recovering",
                  "source_budget"}  # fmt: skip


async def test_a_pace_and_an_end_are_told_only_while_something_can_start(client, pool, control) -> None:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {f"e{number}": "pending" for number in range(4)})
    await put_into(pool, backfill, Status.RUNNING)
    await pool.execute("UPDATE backfill_progress SET throughput = 0.5")
    for code in ReasonCode:
        control.lives[backfill.number] = FakeLive(frozenset(), 0, Reason(code, "why", NOON))
        shown = await show(client, backfill.id)

        assert (code in ENDS_BY_ITSELF) is (shown["throughput_per_minute"] is not None), code
        assert (code in ENDS_BY_ITSELF) is (shown["estimated_completion_at"] is not None), code


async def test_a_key_that_made_a_backfill_is_named(client: Client, pool: Pool) -> None:
    by_key, by_person = await make_backfill(pool), await make_backfill(pool)
    key = UUID(int=7)
    await pool.execute(
        "INSERT INTO api_keys (id, name, role, prefix, hash, created_by, created_at)"
        " VALUES ($1, 'nightly', 'operator', 'neo_sk_x', $2, 'cli', now())", key, b"7" * 32,
    )  # fmt: skip
    await pool.execute("UPDATE backfills SET created_by = $1 WHERE number = $2", f"key:{key}", by_key.number)
    await pool.execute("UPDATE backfills SET created_by = 'entra:t/o' WHERE number = $1", by_person.number)

    assert "nightly" == (await show(client, by_key.id))["created_by_name"]
    assert None is (await show(client, by_person.id))["created_by_name"]


async def test_the_tag_of_an_entity_is_its_version(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await client.post(f"{PATH}/{backfill.id}/pause")
    answer = await client.get(f"{PATH}/{backfill.id}")

    assert '"2"' == answer.headers["ETag"]
    assert 2 == (await answer.json())["data"]["backfill"]["version"]


async def test_only_the_first_of_many_ids_are_shown(
    client: Client, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backfilld.store.backfills.ids.AT_ONCE", 700)  # they are written and summed up in pages
    backfill = await make_backfill(pool, entity_ids=tuple(f"e{number}" for number in range(1500)))
    shown = await show(client, backfill.id)

    file = "".join(f"e{number}\n" for number in range(1500))
    assert ([f"e{number}" for number in range(100)], 1500) == (shown["entity_ids"], shown["entity_ids_count"])
    assert hashlib.sha256(file.encode()).hexdigest() == shown["entity_ids_digest"]


async def test_pages_of_the_list_join_to_the_whole(client: Client, pool: Pool) -> None:
    made = [str((await make_backfill(pool, exclusive=False)).id) for _ in range(5)]
    seen: list[str] = []
    query = {"page_size": "2"}
    while True:
        page = await (await client.get(PATH, params=query)).json()
        seen += [backfill["id"] for backfill in page["data"]["backfills"]]
        if not page["meta"]["pagination"]["has_more"]:
            break
        query["cursor"] = page["meta"]["pagination"]["next_cursor"]

    assert list(reversed(made)) == seen


@pytest.mark.parametrize("query", [
    "status=paused&status=cancelled", "entity_type=note", "created_by=key:1", "target_workflow_id=1",
    "target_workflow_id=2", "created_after=2027-03-01T13:00:00%2B01:00&created_before=2027-03-01T12:00:01Z",
    "kind=entities&status=paused",
])  # fmt: skip
async def test_filters_of_the_list_narrow_it(client: Client, pool: Pool, query: str) -> None:
    workflow = await make_workflow(pool)  # 1, and its revision 2
    wanted = await make_backfill(pool, workflow, entity_type="note", created_by="key:1")
    await put_into(pool, wanted, Status.PAUSED)
    await make_backfill(pool, created_at=NOON + timedelta(hours=1))
    document = await (await client.get(f"{PATH}?{query}")).json()

    assert [str(wanted.id)] == [backfill["id"] for backfill in document["data"]["backfills"]]


async def test_an_unknown_workflow_has_no_backfills(client: Client, workflow: Workflow, pool: Pool) -> None:
    await make_backfill(pool, workflow)
    document = await (await client.get(f"{PATH}?target_workflow_id=77")).json()

    assert [] == document["data"]["backfills"]


async def test_only_what_has_ended_can_be_deleted(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    refused = await client.delete(f"{PATH}/{backfill.id}", headers=ADMIN)
    await put_into(pool, backfill, Status.CANCELLED)
    deleted = await client.delete(f"{PATH}/{backfill.id}", headers=ADMIN)
    again = await client.delete(f"{PATH}/{backfill.id}", headers=ADMIN)

    assert (409, 204, 404) == (refused.status, deleted.status, again.status)
    assert "backfill_not_ended" == (await refused.json())["error"]["code"]
    assert b"" == await deleted.read()
    assert 404 == (await client.get(f"{PATH}/{backfill.id}")).status
    assert [] == (await (await client.get(PATH)).json())["data"]["backfills"]
    assert ["backfill.delete"] == [row["action"] for row in await pool.fetch("SELECT action FROM audit_log")]


async def test_a_list_can_be_of_a_group_and_of_what_is_called_so_and_counts_all_groups(client: Client, pool: Pool):
    plain = await make_backfill(pool, name="Nights of June")
    paused = await make_backfill(pool, name="june, again")
    await make_backfill(pool, name="July")
    await put_into(pool, plain, Status.RUNNING)
    await put_into(pool, paused, Status.PAUSED)

    async def asked(query: str) -> tuple[list[str], dict[str, int]]:
        document = await (await client.get(f"{PATH}?{query}")).json()
        return [one["name"] for one in document["data"]["backfills"]], document["meta"]["counts"]

    everything, counts = await asked("")
    none_of_either = {"attention": 0, "waiting": 0, "ended": 0}

    assert (["July", "june, again", "Nights of June"], none_of_either | {"working": 2, "paused": 1}) == (
        everything, counts,
    )  # fmt: skip
    assert (["Nights of June"], none_of_either | {"working": 1, "paused": 1}) == await asked("q=JUNE&group=working")
    assert ["june, again"] == (await asked(f"q={str(paused.id)[:8]}"))[0]
    assert [] == (await asked("q=june&group=paused&kind=schedule"))[0]


async def test_what_has_not_run_yet_goes_as_fast_as_its_workflow_did(client: Client, pool: Pool) -> None:
    workflow = await make_workflow(pool)
    before = await make_backfill(pool, workflow)
    await make_ledger(pool, before, {"a": "succeeded"})
    await put_into(pool, before, Status.COMPLETED)
    await pool.execute("UPDATE backfill_progress SET throughput = 1")
    await pool.execute("UPDATE outcomes SET started_at = finished_at - interval '30 s', attempts = 1")
    waiting = await make_backfill(pool, workflow, daily_execution_windows=NIGHTS, max_in_flight=2)
    await make_ledger(pool, waiting, {f"e{number}": "pending" for number in range(4)})
    await put_into(pool, waiting, Status.WAITING)
    shown = await show(client, waiting.id)
    explained = (await (await client.get(f"{PATH}/{waiting.id}/explain")).json())["data"]

    assert (None, "2027-03-01T22:01:00Z") == (shown["throughput_per_minute"], shown["estimated_completion_at"])
    assert any("as fast as its workflow was before the end is expected Mon 22:01 UTC" in one
               for one in explained["sentences"])  # fmt: skip


async def test_fewer_slots_are_slower_before_they_have_shown_it(client: Client, pool: Pool) -> None:
    """Ten at once did ten a minute; items of a minute, one at a time, take ten times as long."""
    backfill = await make_backfill(pool, max_in_flight=10)
    ended = {f"d{number}": "succeeded" for number in range(3)}
    await make_ledger(pool, backfill, {**ended, **{f"e{number}": "pending" for number in range(10)}})
    await put_into(pool, backfill, Status.RUNNING)
    await pool.execute("UPDATE backfill_progress SET throughput = 10 / 60.0")
    await pool.execute("UPDATE outcomes SET started_at = finished_at - interval '60 s', attempts = 1")
    before = (await show(client, backfill.id))["estimated_completion_at"]
    answer = await client.patch(f"{PATH}/{backfill.id}", json={"max_in_flight": 1})
    after = (await answer.json())["data"]["backfill"]["estimated_completion_at"]

    assert ("2027-03-01T12:01:00Z", "2027-03-01T12:10:00Z") == (before, after)
