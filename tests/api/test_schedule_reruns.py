"""Once more for the sessions that failed in a backfill, over HTTP; and how such a backfill is shown."""

from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfills import put_into
from tests.support.clock import NOON
from tests.support.schedules import backfill_days, make_schedule

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    return await make_schedule(pool, credits_per_entity=2)


@pytest.fixture
async def parent(pool: Pool, stored: StoredSchedule) -> Backfill:
    return await ended(pool, stored, failed=[1, 3], name="night")


async def ended(pool: Pool, stored: StoredSchedule, *, failed: list[int], name: str) -> Backfill:
    """A backfill of five sessions of which some have failed."""
    answer = await backfill_days(pool, stored, 5, name, max_in_flight=2, stop_on_failure=True)
    assert answer.backfill_id is not None
    backfill = await BackfillStore(pool).get(answer.backfill_id)
    await end(pool, backfill, failed)
    return backfill


async def end(pool: Pool, backfill: Backfill, failed: list[int]) -> None:
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, error_class)"
        " SELECT $1, position, (CASE WHEN position = ANY ($2) THEN 'failed' ELSE 'succeeded' END)::outcome_status,"
        "        $3, $3, 1, CASE WHEN position = ANY ($2) THEN 'http_500' END"
        "   FROM plan_items WHERE backfill_number = $1",
        backfill.number, failed, NOON,
    )  # fmt: skip
    await pool.execute(
        "UPDATE attempts SET finished_at = $2, succeeded = NOT position = ANY ($3) WHERE backfill_number = $1",
        backfill.number, NOON, failed,
    )  # fmt: skip
    await pool.execute(
        "UPDATE backfill_progress SET succeeded = planned - $2, failed = $2, low_water_mark = planned"
        " WHERE backfill_number = $1",
        backfill.number, len(failed),
    )  # fmt: skip
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES if failed else Status.COMPLETED)


async def rerun(client: Client, id: Any, status: int = 201, **settings: Any) -> Any:
    answer = await client.post(f"{PATH}/{id}/rerun-failed", **settings)
    document = await answer.json()
    assert status == answer.status, document
    return document["data"] if status == 201 else document["error"]


async def test_a_child_makes_new_attempts_of_the_failed_sessions_under_the_next_name(
    client: Client, pool: Pool, stored: StoredSchedule, parent: Backfill
) -> None:
    data = await rerun(client, parent.id, json={"reason": "the target is mended"})
    child = data["backfill"]
    made = await pool.fetch(
        "SELECT a.name, a.index, s.session_time, a.params::text AS params, b.params::text AS parents FROM attempts AS a"
        "  JOIN sessions AS s ON s.id = a.session_id"
        "  JOIN attempts AS b ON b.session_id = s.id AND b.name = 'night'"
        " WHERE a.name <> 'night' ORDER BY a.position"
    )

    assert ["night:rerun-1"] * 2 == [row["name"] for row in made]
    assert [2, 2] == [row["index"] for row in made]
    assert [row["parents"] for row in made] == [row["params"] for row in made]
    assert (str(parent.id), "schedule", "running", 2, 2, stored.id, True, "the target is mended") == (
        child["parent_backfill_run_id"], child["kind"], child["status"], child["total_entities"],
        child["max_in_flight"], child["schedule_id"], child["stop_on_failure"], child["reason"],
    )  # fmt: skip
    assert {"credits_per_entity": 2, "total_credits_estimated": 4, "total_entities": 2} == data["cost_estimate"]


async def test_a_rerun_of_a_rerun_counts_on(client: Client, pool: Pool, parent: Backfill) -> None:
    child = (await rerun(client, parent.id))["backfill"]
    await end(pool, await BackfillStore(pool).get(child["id"]), [0])
    grandchild = (await rerun(client, child["id"]))["backfill"]
    sibling = (await rerun(client, parent.id))["backfill"]

    assert ["night:rerun-2", "night:rerun-3"] == [grandchild["name"], sibling["name"]]


async def test_a_rerun_can_be_narrowed_to_some_sessions(client: Client, pool: Pool, parent: Backfill) -> None:
    failed = await pool.fetchval(
        "SELECT entity_id FROM plan_items WHERE backfill_number = $1 AND position = 3", parent.number
    )
    child = (await rerun(client, parent.id, json={"entity_ids": [failed]}))["backfill"]
    other = await rerun(client, parent.id, 422, json={"entity_ids": ["2027-02-24T00:00:00Z"]})

    assert (1, failed) == (child["total_entities"], child["session_from"])
    assert "/entity_ids/0" == other["details"][0]["path"]


async def test_a_long_name_is_cut_for_its_suffix(client: Client, pool: Pool, stored: StoredSchedule) -> None:
    backfill = await ended(pool, stored, failed=[0], name="x" * 255)
    first = (await rerun(client, backfill.id))["backfill"]["name"]
    second = (await rerun(client, backfill.id))["backfill"]["name"]

    assert ("x" * 247 + ":rerun-1", "x" * 247 + ":rerun-2") == (first, second)


async def test_under_a_key_a_rerun_is_made_once(client: Client, pool: Pool, parent: Backfill) -> None:
    headers = {"Idempotency-Key": "once"}
    one = await rerun(client, parent.id, headers=headers)
    two = await rerun(client, parent.id, headers=headers)

    assert one == two
    assert 2 == await pool.fetchval("SELECT count(*) FROM backfills")


async def test_nothing_failed_is_nothing_to_rerun(client: Client, pool: Pool, stored: StoredSchedule) -> None:
    backfill = await ended(pool, stored, failed=[], name="fine")

    assert "backfill_not_rerunnable" == (await rerun(client, backfill.id, 409))["code"]


async def test_a_backfill_over_sessions_is_shown_listed_and_told_like_any_other(
    client: Client, pool: Pool, stored: StoredSchedule, parent: Backfill
) -> None:
    listed = (await (await client.get(f"{PATH}?kind=schedule")).json())["data"]["backfills"]
    shown = (await (await client.get(f"{PATH}/{parent.id}")).json())["data"]["backfill"]
    ledger = (await (await client.get(f"{PATH}/{parent.id}/entities")).json())["data"]["entities"]

    assert [shown] == listed
    assert (None, None, None, stored.id, "2027-02-25T00:00:00Z", "2027-03-01T00:00:01Z") == (
        shown["entity_type"], shown["filter_spec"], shown["daily_execution_windows"], shown["schedule_id"],
        shown["session_from"], shown["session_to"],
    )  # fmt: skip
    assert ["2027-02-25T00:00:00Z", "2027-02-26T00:00:00Z"] == [item["entity_id"] for item in ledger[:2]]
    assert ["succeeded", "failed"] == [item["status"] for item in ledger[:2]]


async def test_sessions_are_run_again_by_what_became_of_them(client: Client, pool: Pool, parent: Backfill) -> None:
    counted = await client.post(f"{PATH}/{parent.id}/rerun", json={"status": ["succeeded"], "dry_run": True})
    answer = await client.post(f"{PATH}/{parent.id}/rerun", json={"status": ["succeeded"]})
    child = (await answer.json())["data"]["backfill"]
    positions = await pool.fetch(
        "SELECT p.position FROM attempts AS a JOIN attempts AS p ON p.session_id = a.session_id AND p.name = 'night'"
        " JOIN backfills AS b ON b.number = a.backfill_number WHERE b.id = $1 ORDER BY 1",
        child["id"],
    )

    assert {"count": 3} == (await counted.json())["data"]
    assert (201, "schedule", 3) == (answer.status, child["kind"], child["total_entities"])
    assert [0, 2, 4] == [row["position"] for row in positions]
