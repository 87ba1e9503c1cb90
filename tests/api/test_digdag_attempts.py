"""Starting and killing over the dialect."""

from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl
from tests.support.schedules import backfill_days, make_schedule

from backfilld.api.digdag import attempts
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.operations.sessions.attempts import AttemptOperations
from backfilld.operations.sessions.kill import BackfillKiller
from backfilld.operations.sessions.read import SessionReading
from backfilld.store.connection.pool import Pool

LIMIT = 3
TIME = "2016-01-01T00:00:00.123456+09:00"


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    return await make_schedule(pool, timezone="Asia/Tokyo")


@pytest.fixture
async def client(pool: Pool, clock: FakeClock, serve: Serve) -> Client:
    killer = BackfillKiller(pool, FakeControl(), clock)
    operations = AttemptOperations(pool, killer, clock, most_unfinished=LIMIT)
    return await serve(attempts.routes(operations, SessionReading(pool)))


async def put(client: Client, status: int = 200, **body: Any) -> Any:
    answer = await client.put("/api/attempts", json=body)
    document = await answer.json()

    assert status == answer.status, document
    return document


async def kill(client: Client, id: Any, status: int = 200, **settings: Any) -> Any:
    answer = await client.post(f"/api/attempts/{id}/kill", **settings)
    document = await answer.json()

    assert status == answer.status, document
    return document


@pytest.mark.parametrize("as_text", [True, False])
async def test_a_session_is_started_by_the_id_of_its_workflow_or_of_a_revision(
    client: Client, stored: StoredSchedule, as_text: bool
) -> None:
    id: Any = str(stored.revision_id) if as_text else stored.workflow_id
    attempt = await put(client, workflowId=id, sessionTime=TIME, params={"a": 1}, poolId=7)

    assert ("2016-01-01T00:00:00+09:00", "", {"a": 1}, "queued", 1) == (
        attempt["sessionTime"], attempt["retryAttemptName"], attempt["params"], attempt["status"], attempt["index"]
    )  # fmt: skip


async def test_or_by_the_names_of_project_and_workflow(client: Client, stored: StoredSchedule) -> None:
    attempt = await put(client, projectName="default", workflowName="w1", sessionTime=TIME)

    assert {"id": str(stored.revision_id), "name": "w1"} == attempt["workflow"]
    await put(client, 404, projectName="default", workflowName="w2", sessionTime=TIME)
    await put(client, 400, projectName="default", sessionTime=TIME)


async def test_the_same_start_again_is_answered_with_what_there_is(client: Client, stored: StoredSchedule) -> None:
    first = await put(client, workflowId=stored.revision_id, sessionTime=TIME)
    again = await put(client, 409, workflowId=stored.revision_id, sessionTime=TIME, params={"other": 1})

    assert first == again
    assert "message" not in again


async def test_another_name_is_a_second_attempt_of_the_same_session(client: Client, stored: StoredSchedule) -> None:
    first = await put(client, workflowId=stored.revision_id, sessionTime=TIME)
    second = await put(client, workflowId=stored.revision_id, sessionTime=TIME, retryAttemptName="again")

    assert (first["sessionId"], 2) == (second["sessionId"], second["index"])


async def test_beyond_the_limit_it_is_400(client: Client, stored: StoredSchedule) -> None:
    for number in range(LIMIT):
        await put(client, workflowId=stored.revision_id, sessionTime=TIME, retryAttemptName=f"n{number}")
    document = await put(client, 400, workflowId=stored.revision_id, sessionTime=TIME, retryAttemptName="more")

    assert {"message": f"Too many attempts running. Limit: {LIMIT}, Current: {LIMIT}", "status": 400} == document


NOT_STARTED: list[tuple[dict[str, Any], int, str]] = [
    ({"workflowId": 999}, 404, "workflow id=999"), ({"workflowId": "x"}, 400, "workflowId"),
    ({"workflowId": None}, 400, "workflowId"), ({"sessionTime": "now"}, 400, "sessionTime"),
    ({"sessionTime": None}, 400, "sessionTime"), ({"params": []}, 400, "params"),
    ({"retryAttemptName": "x" * 256}, 400, "retryAttemptName"), ({"params": {"a": "x" * 20_000}}, 400, "params"),
    ({"resume": {"mode": "fialed"}}, 400, "resume/mode"), ({"sesionTime": TIME}, 400, "did you mean 'sessionTime'"),
]  # fmt: skip


async def test_what_is_wrong_is_named(client: Client, stored: StoredSchedule) -> None:
    for changes, status, told in NOT_STARTED:
        document = await put(client, status, **{"workflowId": stored.revision_id, "sessionTime": TIME} | changes)

        assert told in document["message"], changes


async def test_a_retry_goes_on_at_the_only_task_there_is(client: Client, pool: Pool, stored: StoredSchedule) -> None:
    first = await put(client, workflowId=stored.revision_id, sessionTime=TIME)
    await pool.execute("UPDATE attempts SET finished_at = $1", NOON)
    again = {"workflowId": stored.revision_id, "sessionTime": TIME}
    failed = {"mode": "failed", "attemptId": first["id"]}
    await put(client, **again, retryAttemptName="a", resume=failed)
    await put(client, **again, retryAttemptName="b", resume={"mode": "from", "attemptId": first["id"], "from": "+w1"})
    await put(client, 400, **again, retryAttemptName="c", resume={**failed, "from": "+w1+other"})
    await pool.execute("UPDATE attempts SET finished_at = $1, succeeded = true", NOON)
    document = await put(client, 400, **again, retryAttemptName="d", resume=failed)

    assert "has succeeded" in document["message"]


@pytest.mark.parametrize(("repeated", "status", "told"), [
    ('"resume": {"mode": "failed", "mode": "failed", "attemptId": "%(id)s"}', 200, None),
    ('"resume": {"mode": "fialed", "mode": "failed", "attemptId": "%(id)s"}', 200, None),
    ('"resume": {"mode": "failed", "mode": "fialed", "attemptId": "%(id)s"}', 400, "resume/mode"),
    ('"params": {"a": 2, "b": 2}, "params": {"a": 1}', 200, None),
    ('"params": {"a": 2, "\\u0061": 1}', 200, None),
    ('"params": {"a": "\\u0000", "a": 1}', 200, None),
    ('"retryAttemptName": "x", "retryAttemptName": "again"', 200, None),
])  # fmt: skip
async def test_of_a_key_that_is_given_twice_the_last_counts_as_digdags_own_client_needs_it(
    client: Client, stored: StoredSchedule, repeated: str, status: int, told: str | None
) -> None:
    first = await put(client, workflowId=stored.revision_id, sessionTime=TIME)
    fields = [f'"workflowId": {stored.revision_id}', f'"sessionTime": "{TIME}"', '"params": {"a": 1}']
    fields += ['"retryAttemptName": "again"', repeated % {"id": first["id"]}]
    headers = {"Content-Type": "application/json"}
    answer = await client.put("/api/attempts", data="{" + ", ".join(fields) + "}", headers=headers)
    document = await answer.json()

    assert status == answer.status, document
    if told is not None:
        assert told in document["message"]
    else:
        assert ("again", {"a": 1}) == (document["retryAttemptName"], document["params"])


@pytest.mark.parametrize("sent", [{}, {"json": {}}, {"data": b""}])
async def test_what_waits_is_killed_at_once_and_only_once(
    client: Client, stored: StoredSchedule, sent: dict[str, Any]
) -> None:
    attempt = await put(client, workflowId=stored.revision_id, sessionTime=TIME)
    killed = await kill(client, attempt["id"], **sent)
    again = await kill(client, attempt["id"], 409, **sent)

    assert ("killed", True, False, True) == (
        killed["status"], killed["done"], killed["success"], killed["cancelRequested"]
    )  # fmt: skip
    assert {"message", "status"} == set(again)


async def test_a_blocked_one_of_a_backfill_too(client: Client, pool: Pool, stored: StoredSchedule) -> None:
    answer = await backfill_days(pool, stored, 3)
    killed = await kill(client, answer.attempts[1].id)

    assert "killed" == killed["status"]
    assert 1 == await pool.fetchval("SELECT cancelled FROM backfill_progress")


async def test_nobody_is_killed_by_a_number_that_is_none(client: Client) -> None:
    await kill(client, 999, 404)
    await kill(client, "x", 404)


@pytest.mark.parametrize(("time", "nearest"), [
    ("2027-02-27T00:00:00+09:00", None), ("2027-02-27T01:00:00+09:00", "2027-02-27T00:00:00+09:00"),
    ("2027-02-27T23:00:00+09:00", "2027-02-28T00:00:00+09:00"),
])  # fmt: skip
async def test_a_start_at_a_time_that_is_no_slot_of_the_schedule_is_told_the_nearest(
    client: Client, stored: StoredSchedule, time: str, nearest: str | None
) -> None:
    answer = await client.put("/api/attempts", json={"workflowId": stored.workflow_id, "sessionTime": time})
    told = answer.headers.get("X-Backfilld-Warning")

    assert (200, time) == (answer.status, (await answer.json())["sessionTime"])
    assert told == (nearest and f"{time} is no session of the workflow's schedule; the nearest is {nearest}")
