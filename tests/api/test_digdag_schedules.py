"""Schedules over the dialect: its shapes, its errors, its order of checks."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl
from tests.support.schedules import make_schedule

from backfilld.api.digdag import schedules
from backfilld.bus import Bus
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfills, ScheduleLimits
from backfilld.operations.sessions.create import SessionBackfills
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

FROM = "2027-02-24T00:00:00Z"
ATTEMPT_KEYS = {
    "id", "index", "project", "workflow", "sessionId", "sessionUuid", "sessionTime", "retryAttemptName", "done",
    "success", "cancelRequested", "params", "createdAt", "finishedAt", "status",
}  # fmt: skip


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    return await make_schedule(pool, timezone="Asia/Tokyo")


@pytest.fixture
async def client(pool: Pool, clock: FakeClock, serve: Serve) -> Client:
    rows = SessionBackfills(BackfillStore(pool), FakeControl(), clock, Bus())
    backfills = ScheduleBackfills(pool, rows, clock, ScheduleLimits())
    return await serve(schedules.routes(ScheduleReading(pool), ScheduleOperations(pool, clock), backfills))


async def post(client: Client, path: str, status: int = 200, **settings: Any) -> Any:
    answer = await client.post(path, **settings)
    document = await answer.json()

    assert status == answer.status, document
    if status >= 400:
        assert {"message", "status"} == set(document)
        assert status == document["status"]
    return document


def body(**changes: Any) -> dict[str, Any]:
    return {"fromTime": FROM, "dryRun": False, "attemptName": "again"} | changes


async def test_a_backfill_shows_its_attempts_and_its_durable_object(client: Client, stored: StoredSchedule) -> None:
    document = await post(client, f"/api/schedules/{stored.id}/backfill", json=body(count=2))
    first, second = document["attempts"]

    ours = {"backfillId", "nextScheduleTime", "planDigest", "leftOut"}
    assert {"id", "project", "workflow", "attempts"} | ours == set(document)
    assert ATTEMPT_KEYS == set(first)
    assert {"id": str(stored.revision_id), "name": "w1"} == document["workflow"] == first["workflow"]
    assert ("2027-02-24T00:00:00+09:00", "queued", "", None) == (
        first["sessionTime"], first["status"], "", first["finishedAt"]
    )  # fmt: skip
    assert ("2027-02-25T00:00:00+09:00", "blocked", "again", 1) == (
        second["sessionTime"], second["status"], second["retryAttemptName"], second["index"]
    )  # fmt: skip


async def test_what_a_dry_run_showed_is_made_or_nothing(client: Client, stored: StoredSchedule) -> None:
    path = f"/api/schedules/{stored.id}/backfill"
    await post(client, path, json=body(count=1, attemptName="before"))
    asked = body(count=3, skipExisting=True)
    shown = await post(client, path, json=asked | {"dryRun": True})
    await post(client, path, json=body(count=2, skipExisting=True))
    refused = await post(client, path, 409, json=asked | {"planDigest": shown["planDigest"]})
    shown_anew = await post(client, path, json=asked | {"dryRun": True})
    made = await post(client, path, json=asked | {"planDigest": shown_anew["planDigest"]})

    assert [("2027-02-24T00:00:00+09:00", "queued")] == [
        (one["sessionTime"], one["status"]) for one in shown["leftOut"]
    ]  # fmt: skip
    assert "not what was shown" in refused["message"]
    assert ["2027-02-26T00:00:00+09:00"] == [one["sessionTime"] for one in made["attempts"]]
    assert None is made["leftOut"]
    assert "2027-03-02T00:00:00+09:00" == made["nextScheduleTime"]


async def test_a_gzipped_body_is_read_before_an_unknown_schedule_is_404(client: Client) -> None:
    packed = gzip.compress(json.dumps({"fromTime": FROM, "dryRun": True, "attemptName": ""}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    document = await post(client, "/api/schedules/99999/backfill", 404, data=packed, headers=headers)

    assert "schedule id=99999" in document["message"]


@pytest.mark.parametrize(("settings", "told"), [
    ({"data": b"{", "headers": {"Content-Type": "application/json"}}, "JSON"),
    ({"data": b"{}", "headers": {"Content-Type": "text/plain"}}, "text/plain"),
    ({"json": {"fromTime": FROM, "attemptName": "x"}}, "dryRun: is required"),
    ({"json": body(dryRun="yes")}, "dryRun: must be true or false"),
    ({"json": body(fromTime="tomorrow")}, "fromTime: must be a time"),
    ({"json": body(fromTime=17)}, "fromTime: must be a time"),
    ({"json": body(count="2")}, "count: must be a whole number"),
    ({"json": body(fromTime="x", count=[], dryRun=None)}, "count: must be a whole number"),
    ({"json": []}, "object"),
    ({}, ""),
])  # fmt: skip
async def test_what_cannot_be_read_is_400_before_the_schedule_is_looked_for(
    client: Client, settings: dict[str, Any], told: str
) -> None:
    document = await post(client, "/api/schedules/99999/backfill", 400, **settings)

    assert told in document["message"]


async def test_all_faults_stand_in_one_message(client: Client) -> None:
    document = await post(client, "/api/schedules/99999/backfill", 400, json={"fromTime": "x", "count": []})

    assert all(name in document["message"] for name in ("dryRun", "fromTime", "count"))


@pytest.mark.parametrize("missing", [{"attemptName": None}, {"fromTime": None}, {"advanceSchedule": True}])
async def test_rules_among_the_options_come_after_404(
    client: Client, stored: StoredSchedule, missing: dict[str, Any]
) -> None:
    await post(client, "/api/schedules/99999/backfill", 404, json=body(**missing))
    await post(client, f"/api/schedules/{stored.id}/backfill", 400, json=body(**missing))


async def test_unknown_keys_are_ignored_and_named(client: Client, stored: StoredSchedule) -> None:
    sent = body(dryRun=True, poolId=7, allowQueueing=True)
    answer = await client.post(f"/api/schedules/{stored.id}/backfill", json=sent)

    assert 200 == answer.status
    assert "poolId, allowQueueing" == answer.headers["X-Backfilld-Ignored"]


@pytest.mark.parametrize(("key", "meant"), [("advanceSchedul", "advanceSchedule"), ("skip_existing", "skipExisting")])
async def test_a_near_miss_is_refused_with_what_was_meant(
    client: Client, stored: StoredSchedule, key: str, meant: str
) -> None:
    document = await post(client, f"/api/schedules/{stored.id}/backfill", 400, json=body(**{key: True}))

    assert f"did you mean '{meant}'" in document["message"]


async def test_a_name_that_was_used_is_409(client: Client, stored: StoredSchedule) -> None:
    await post(client, f"/api/schedules/{stored.id}/backfill", json=body())
    document = await post(client, f"/api/schedules/{stored.id}/backfill", 409, json=body(dryRun=True))

    assert "session_time=2027-02-24T00:00:00+09:00" in document["message"]


async def test_a_schedule_is_shown_alike_wherever_it_is_shown(client: Client, stored: StoredSchedule) -> None:
    shown = await (await client.get(f"/api/schedules/{stored.id}")).json()
    everywhere = await (await client.get("/api/schedules")).json()
    project = await (await client.get(f"/api/projects/{stored.project_id}/schedules?workflow=w1")).json()

    assert {
        "id": str(stored.id),
        "project": {"id": str(stored.project_id), "name": "default"},
        "workflow": {"id": str(stored.revision_id), "name": "w1"},
        "nextRunTime": "2027-03-02T00:00:00Z",
        "nextScheduleTime": "2027-03-02T00:00:00+09:00",
        "disabledAt": None,
    } == shown
    assert {"schedules": [shown]} == everywhere == project


async def test_lists_go_on_behind_an_id(client: Client, pool: Pool) -> None:
    made = [await make_schedule(pool) for _ in range(3)]
    answer = await client.get(f"/api/schedules?last_id={made[0].id}&page_size=1")

    assert [str(made[1].id)] == [one["id"] for one in (await answer.json())["schedules"]]


@pytest.mark.parametrize("query", ["page_size=0", "page_size=99999", "last_id=x"])
async def test_a_page_that_cannot_be_is_400(client: Client, query: str) -> None:
    assert 400 == (await client.get(f"/api/schedules?{query}")).status


async def test_an_unknown_workflow_has_an_empty_list_and_an_unknown_project_none(
    client: Client, stored: StoredSchedule
) -> None:
    nobody = await client.get(f"/api/projects/{stored.project_id}/schedules?workflow=nobody")

    assert {"schedules": []} == await nobody.json()
    assert 404 == (await client.get("/api/projects/999/schedules")).status
    assert 404 == (await client.get("/api/projects/x/schedules")).status


async def test_why_a_schedule_was_steered_is_written_down(client: Client, stored: StoredSchedule, pool: Pool) -> None:
    one = f"/api/schedules/{stored.id}"
    await post(client, f"{one}/disable", json={"reason": "the source is moved"})
    await post(client, f"{one}/enable", json={"reason": "it is moved"})
    await post(client, f"{one}/skip", json={"dryRun": False, "nextTime": "2027-06-01 00:00:00", "reason": "holidays"})
    rows = await pool.fetch("SELECT action, reason FROM audit_log WHERE action LIKE 'schedule.%' ORDER BY id")

    assert [
        ("schedule.disable", "the source is moved"), ("schedule.enable", "it is moved"), ("schedule.skip", "holidays"),
    ] == [tuple(row) for row in rows]  # fmt: skip


@pytest.mark.parametrize("sent", [{}, {"json": {}}, {"data": b""}])
async def test_disable_and_enable_need_no_body(client: Client, stored: StoredSchedule, sent: dict[str, Any]) -> None:
    disabled = await post(client, f"/api/schedules/{stored.id}/disable", **sent)
    enabled = await post(client, f"/api/schedules/{stored.id}/enable", **sent)

    assert "2027-03-01T12:00:00Z" == disabled["disabledAt"]
    assert None is enabled["disabledAt"]
    assert {"createdAt", "updatedAt"} < set(enabled)


async def test_a_skip_moves_the_schedule_by_what_was_said(client: Client, stored: StoredSchedule) -> None:
    to = (NOON + timedelta(days=3)).isoformat()
    dry = await post(client, f"/api/schedules/{stored.id}/skip", json={"nextTime": to, "dryRun": True})
    document = await post(client, f"/api/schedules/{stored.id}/skip", json={"nextTime": to, "dryRun": False})
    again = await post(client, f"/api/schedules/{stored.id}/skip", 409, json={"nextTime": to, "dryRun": False})

    assert "2027-03-05T00:00:00+09:00" == document["nextScheduleTime"] == dry["nextScheduleTime"]
    assert "2027-03-05T00:00:00Z" == document["nextRunTime"]
    assert again["message"]


@pytest.mark.parametrize("verb", ["backfill", "skip"])
async def test_where_a_body_is_needed_none_is_400(client: Client, stored: StoredSchedule, verb: str) -> None:
    await post(client, f"/api/schedules/{stored.id}/{verb}", 400)
