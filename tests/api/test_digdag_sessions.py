"""Sessions and attempts over the dialect: pages, filters, shapes, logs, and times."""

import gzip
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.support.clock import NOON, FakeClock
from tests.support.schedules import make_schedule, maker

from backfilld.api.digdag import logs, schedules, sessions
from backfilld.domain.schedules import FINISHED_AT
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.read import SessionReading
from backfilld.store.connection.pool import Pool
from backfilld.store.sessions.sessions import NewAttempts, Opened, open_attempts

DAYS = [NOON.replace(hour=0) - timedelta(days=day) for day in (3, 2, 1)]
LAST_ATTEMPT_KEYS = {
    "id", "retryAttemptName", "done", "success", "cancelRequested", "params", "createdAt", "finishedAt", "status",
}  # fmt: skip


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    return await make_schedule(pool, timezone="+09:00")


@pytest.fixture
async def client(pool: Pool, serve: Serve, clock: FakeClock) -> Client:
    reading = SessionReading(pool)
    of_schedules = schedules.routes(ScheduleReading(pool), ScheduleOperations(pool, clock), maker(pool))
    return await serve([*sessions.routes(reading), *logs.routes(reading), *of_schedules], role="viewer")


async def opened(pool: Pool, stored: StoredSchedule, name: str, times: list[datetime]) -> list[Opened]:
    async with pool.acquire() as connection, connection.transaction():
        return await open_attempts(connection, NewAttempts(
            stored.project_id, stored.workflow_id, stored.revision_id, "+09:00", name, "anna", NOON, times,
            [{"n": number} for number, _ in enumerate(times)],
        ))  # fmt: skip


async def get(client: Client, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    document = await answer.json()

    assert status == answer.status, document
    return document


def ids(things: list[dict[str, Any]]) -> list[int]:
    return [int(thing["id"]) for thing in things]


@pytest.fixture
async def two_names(pool: Pool, stored: StoredSchedule) -> tuple[list[Opened], list[Opened]]:
    """Three sessions as scheduled; the last two of them were run again."""
    return await opened(pool, stored, "", DAYS), await opened(pool, stored, "again", DAYS[1:])


async def test_sessions_come_newest_first_with_their_last_attempt(client: Client, two_names: Any) -> None:
    first, again = two_names
    found = (await get(client, "/api/sessions"))["sessions"]

    assert [one.session_id for one in reversed(first)] == ids(found)
    assert [again[1].id, again[0].id, first[0].id] == [int(one["lastAttempt"]["id"]) for one in found]
    assert {"id", "project", "workflow", "sessionUuid", "sessionTime", "lastAttempt"} == set(found[0])
    assert LAST_ATTEMPT_KEYS == set(found[0]["lastAttempt"])
    assert "2027-02-28T09:00:00+09:00" == found[0]["sessionTime"]


async def test_pages_go_on_below_an_id_that_is_not_shown_again(client: Client, two_names: Any) -> None:
    first, _ = two_names
    page = (await get(client, "/api/sessions?page_size=2"))["sessions"]
    rest = (await get(client, f"/api/sessions?page_size=2&last_id={page[-1]['id']}"))["sessions"]

    assert [one.session_id for one in reversed(first)] == ids(page + rest)


async def test_sessions_of_a_project_and_of_a_workflow(client: Client, pool: Pool, stored, two_names) -> None:
    other = await make_schedule(pool)
    await opened(pool, other, "", DAYS[:1])
    of_project = await get(client, f"/api/projects/{stored.project_id}/sessions")
    of_workflow = await get(client, f"/api/projects/{stored.project_id}/sessions?workflow={other.workflow_name}")
    of_nobody = await get(client, f"/api/projects/{stored.project_id}/sessions?workflow=nobody")

    assert (4, 1, 0) == tuple(len(each["sessions"]) for each in (of_project, of_workflow, of_nobody))
    await get(client, "/api/projects/999/sessions", 404)


async def test_one_session_and_its_attempts(client: Client, two_names: Any) -> None:
    first, again = two_names
    id = first[2].session_id
    session = await get(client, f"/api/sessions/{id}")
    attempts = (await get(client, f"/api/sessions/{id}/attempts"))["attempts"]

    assert str(again[1].id) == session["lastAttempt"]["id"]
    assert [again[1].id, first[2].id] == ids(attempts)
    await get(client, "/api/sessions/999", 404)
    await get(client, "/api/sessions/999/attempts", 404)
    await get(client, "/api/sessions/x", 404)


@pytest.mark.parametrize(("query", "expected"), [
    ("", [2, 1, 0]), ("?include_retried=True", [4, 3, 2, 1, 0]), ("?include_retried=false", [2, 1, 0]),
    ("?project=default&workflow=w1&include_retried=TRUE&page_size=2", [4, 3]), ("?project=default&workflow=no", []),
])  # fmt: skip
async def test_attempts_are_the_last_of_each_session_unless_all_are_wanted(
    client: Client, two_names: Any, query: str, expected: list[int]
) -> None:
    first, again = two_names
    every = [one.id for one in [first[0], *again, *first[1:]]]  # what is shown without the retried ones comes first
    shown = ids((await get(client, f"/api/attempts{query}"))["attempts"])

    if "retried=True" in query or "TRUE" in query:
        assert sorted(every, reverse=True)[: len(expected)] == shown
    else:
        assert sorted(every[: len(expected)], reverse=True) == shown


async def test_an_unknown_project_is_404_and_a_workflow_needs_its_project(client: Client, two_names: Any) -> None:
    await get(client, "/api/attempts?project=nobody", 404)
    document = await get(client, "/api/attempts?workflow=w1", 400)

    assert "project" in document["message"]


async def test_retries_are_told_oldest_first_with_the_attempt_itself(client: Client, two_names: Any) -> None:
    first, again = two_names
    found = (await get(client, f"/api/attempts/{again[0].id}/retries"))["attempts"]

    assert [(first[1].id, 1), (again[0].id, 2)] == [(int(one["id"]), one["index"]) for one in found]


async def test_an_attempt_has_one_task(client: Client, two_names: Any, pool: Pool) -> None:
    first, _ = two_names
    await pool.execute(
        "UPDATE attempts SET finished_at = $2, started_at = $2, error_class = 'http_404', error = 'gone' WHERE id = $1",
        first[0].id, NOON,
    )  # fmt: skip
    (task,) = (await get(client, f"/api/attempts/{first[0].id}/tasks"))["tasks"]

    assert ("+w1", "error", "2027-03-01T12:00:00Z", {"message": "gone", "class": "http_404"}) == (
        task["fullName"], task["state"], task["startedAt"], task["error"]
    )  # fmt: skip


async def test_a_task_has_the_name_that_its_definition_gave_it_when_it_ran(
    client: Client, two_names: Any, pool: Pool
) -> None:
    first, _ = two_names
    await pool.execute('UPDATE revisions SET definition = (definition::jsonb || \'{"task": "report"}\')::json')
    await pool.execute("INSERT INTO attempt_logs VALUES ($1, 1, $2, 'x')", first[0].id, NOON)
    await pool.execute("UPDATE projects SET deleted_at = $1", NOON)
    (task,) = (await get(client, f"/api/attempts/{first[0].id}/tasks"))["tasks"]
    (file,) = (await get(client, f"/api/logs/{first[0].id}/files"))["files"]

    assert "+w1+report" == task["fullName"] == file["taskName"]
    assert "+w1+report@20270301T120000Z.1.log.gz" == file["fileName"]


@pytest.mark.parametrize(("columns", "status"), [
    ("finished_at = now(), succeeded = true, cancel_requested_at = now()", "success"),
    ("finished_at = now(), cancel_requested_at = now()", "killed"),
    ("finished_at = now()", "error"),
    ("cancel_requested_at = now(), running_since = now()", "canceling"),
    ("running_since = now()", "running"),
    ("tries = 1", "queued"),
])  # fmt: skip
async def test_the_status_is_the_first_that_applies(
    client: Client, pool: Pool, two_names: Any, columns: str, status: str
) -> None:
    first, _ = two_names
    await pool.execute(f"UPDATE attempts SET {columns} WHERE id = {first[0].id}")  # noqa: S608 - of our own
    attempt = await get(client, f"/api/attempts/{first[0].id}")

    assert status == attempt["status"]
    assert (status in ("success", "killed", "error"), status == "success") == (attempt["done"], attempt["success"])


async def test_attempts_of_a_deleted_project_stay_readable(client: Client, pool: Pool, two_names: Any) -> None:
    first, _ = two_names
    before = await get(client, f"/api/attempts/{first[0].id}")
    await pool.execute("UPDATE projects SET deleted_at = $1", NOON)

    assert before == await get(client, f"/api/attempts/{first[0].id}")
    assert 3 == len((await get(client, f"/api/projects/{before['project']['id']}/sessions"))["sessions"])


async def test_logs_are_files_that_are_listed_and_read(client: Client, pool: Pool, two_names: Any) -> None:
    first, _ = two_names
    for number, text in ((1, "busy"), (2, "grüß dich")):
        await pool.execute("INSERT INTO attempt_logs VALUES ($1, $2, $3, $4)", first[0].id, number, NOON, text)
    files = (await get(client, f"/api/logs/{first[0].id}/files"))["files"]
    answer = await client.get(f"/api/logs/{first[0].id}/files/{files[1]['fileName']}")

    assert {"fileName", "fileSize", "taskName", "fileTime", "agentId", "direct"} == set(files[0])
    assert "application/gzip" == answer.headers["Content-Type"]
    assert "grüß dich" == gzip.decompress(await answer.read()).decode()
    await get(client, f"/api/logs/{first[0].id}/files/nothing", 404)
    await get(client, f"/api/logs/{first[0].id}/files/x.7.log.gz", 404)
    await get(client, "/api/logs/999/files", 404)


async def test_a_long_log_is_packed_once(client: Client, pool: Pool, two_names: Any) -> None:
    attempt = two_names[0][0].id
    printed = "".join(f"{number * 7919 % 100_003}\n" for number in range(5_000))
    await pool.execute("INSERT INTO attempt_logs VALUES ($1, 1, $2, $3)", attempt, NOON, printed)
    file = (await get(client, f"/api/logs/{attempt}/files"))["files"][0]
    answer = await client.get(f"/api/logs/{attempt}/files/{file['fileName']}", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in answer.headers
    assert printed == gzip.decompress(await answer.read()).decode()


CUT = [
    ("session_time=2016-01-01T00:00", "2016-01-01T00:00:00+09:00"),
    ("session_time=2016-01-01T12:34:56.7Z", "2016-01-01T21:34:56+09:00"),
    ("session_time=2016-01-01T12:34:56&mode=minute", "2016-01-01T12:34:00+09:00"),
    ("session_time=2016-01-01T12:34:56&mode=hour", "2016-01-01T12:00:00+09:00"),
    ("session_time=2016-01-01T12:34:56&mode=day", "2016-01-01T00:00:00+09:00"),
    ("session_time=2016-01-01T09:00:00&mode=schedule", "2016-01-01T00:00:00+09:00"),
    ("session_time=2016-01-01T09:00:01&mode=schedule", "2016-01-02T00:00:00+09:00"),
    ("session_time=2016-01-01T00:00:00&mode=next_schedule", "2016-01-02T00:00:00+09:00"),
]


async def test_a_time_is_cut_or_put_on_the_schedule(client: Client, stored: StoredSchedule) -> None:
    for query, expected in CUT:
        document = await get(client, f"/api/workflows/{stored.revision_id}/truncated_session_time?{query}")
        same = await get(client, f"/api/workflows/{stored.workflow_id}/truncated_session_time?{query}")

        assert {"id": str(stored.project_id), "name": "default"} == document["project"], query
        assert (expected, "+09:00", "1") == (document["sessionTime"], document["timezone"], document["revision"]), query
        assert document == same, query


@pytest.mark.parametrize("mode", ["schedule", "next_schedule"])
@pytest.mark.parametrize(("timezone", "expected"), [
    ("+09:00", "9999-01-01T09:00:00+09:00"), ("America/New_York", "9998-12-31T19:00:00-05:00"),
    ("UTC", "9999-01-01T00:00:00+00:00"),
])  # fmt: skip
async def test_the_end_of_time_carries_the_offset_of_the_zone(
    client: Client, pool: Pool, timezone: str, expected: str, mode: str
) -> None:
    ended = {"daily>": "09:00:00", "end": "2027-12-31"}
    stored = await make_schedule(pool, ended, timezone=timezone)
    await pool.execute("UPDATE schedules SET next_session_at = $1, next_run_at = $1", FINISHED_AT)
    truncated = f"/api/workflows/{stored.workflow_id}/truncated_session_time?session_time=2999-01-01T00:00&mode={mode}"
    (listed,) = (await get(client, f"/api/projects/{stored.project_id}/schedules"))["schedules"]

    assert expected == (await get(client, truncated))["sessionTime"] == listed["nextScheduleTime"]
    assert "9999-01-01T00:00:00Z" == listed["nextRunTime"]


async def test_a_time_that_cannot_be_is_400(client: Client, stored: StoredSchedule) -> None:
    wrong = {
        "": "session_time",
        "session_time=x": "session_time",
        "session_time=2016-01-01T00:00&mode=scheduel": "did you mean 'schedule'",
    }
    for query, told in wrong.items():
        document = await get(client, f"/api/workflows/{stored.revision_id}/truncated_session_time?{query}", 400)

        assert told in document["message"], query
    await get(client, "/api/workflows/999/truncated_session_time?session_time=2016-01-01T00:00", 404)
