"""Projects over the dialect: a push changes all or nothing, and says all that is wrong with it."""

import asyncio
import base64
import hashlib
import io
import tarfile
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from tests.api.conftest import Client, Serve
from tests.support.backfills import make_workflow
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.project_archives import packed

from backfilld.api.digdag import projects, schedules, workflows
from backfilld.bus import Bus
from backfilld.domain.errors import BackfilldError
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.operations import projects as pushing
from backfilld.operations.projects import ProjectOperations
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfills, ScheduleLimits
from backfilld.operations.sessions.create import SessionBackfills
from backfilld.projects.budget import NobodyWaits
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

DAILY = """timezone: Asia/Tokyo
schedule:
  daily>: 09:00:00
+work:
  http>: http://127.0.0.1:8080/run/${session_date}
  method: POST
"""
HOURLY = "schedule:\n  hourly>: 30:00\n+hello:\n  echo>: ${session_time}\n"
PLAIN = "+hello:\n  echo>: hi\n"


@pytest.fixture
def rules() -> DefinitionRules:
    return DefinitionRules(("http",), (), frozenset({"signing"}))


@pytest.fixture
async def client(pool: Pool, clock: FakeClock, serve: Serve, rules: DefinitionRules) -> Client:
    operations = ProjectOperations(pool, clock, lambda: rules)
    rows = SessionBackfills(BackfillStore(pool), FakeControl(), clock, Bus())
    backfills = ScheduleBackfills(pool, rows, clock, ScheduleLimits())
    return await serve(
        [
            *projects.routes(operations, max_body_bytes=1 << 20),
            *workflows.routes(operations),
            *schedules.routes(ScheduleReading(pool), ScheduleOperations(pool, clock), backfills),
        ],
        role="admin",
    )


async def push(client: Client, files: dict[str, str] | bytes, status: int = 200, **query: Any) -> Any:
    data = files if isinstance(files, bytes) else packed(files)
    params = [("project", "sales"), ("revision", "r1")] if "project" not in query else []
    params = [(k, v) for k, v in params if k not in query]
    for key, value in query.items():
        params += [(key, each) for each in (value if isinstance(value, list) else [value])]
    answer = await client.put("/api/projects", params=params, data=data, headers={"Content-Type": "application/gzip"})
    document = await answer.json()

    assert status == answer.status, document
    return document


async def get(client: Client, path: str, status: int = 200, **params: Any) -> Any:
    answer = await client.get(path, params=params)
    document = await answer.json()

    assert status == answer.status, document
    return document


async def schedules_of(client: Client, project: dict[str, Any]) -> dict[str, Any]:
    document = await get(client, f"/api/projects/{project['id']}/schedules")
    return {schedule["workflow"]["name"]: schedule for schedule in document["schedules"]}


async def test_a_push_shows_the_project_with_its_archive_and_md5(client: Client) -> None:
    archive = packed({"daily.dig": DAILY, "lib/notes.txt": "x"})
    project = await push(client, archive)
    download = await client.get(f"/api/projects/{project['id']}/archive")

    assert base64.b64encode(hashlib.md5(archive).digest()).decode() == project["archiveMd5"]
    assert ("sales", "r1", "db", None) == tuple(
        project[key] for key in ("name", "revision", "archiveType", "deletedAt")
    )
    assert isinstance(project["id"], str)
    assert project == await get(client, f"/api/projects/{project['id']}")
    assert "application/gzip" == download.content_type
    assert archive == await download.read()


async def test_what_an_archive_tool_makes_of_a_folder_is_read(client: Client, tmp_path: Any) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.dig").write_text(PLAIN)
    (tmp_path / "sub" / "b.dig").write_text("not: [a workflow")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(tmp_path, arcname=".")
    project = await push(client, buffer.getvalue())
    listed = await get(client, f"/api/projects/{project['id']}/workflows")

    assert ["a"] == [workflow["name"] for workflow in listed["workflows"]]


async def test_a_workflow_shows_its_document_as_it_was_written(client: Client) -> None:
    project = await push(client, {"daily.dig": DAILY})
    workflow = await get(client, f"/api/projects/{project['id']}/workflows/daily")

    assert {"id": project["id"], "name": "sales"} == workflow["project"]
    assert ("daily", "r1", "Asia/Tokyo") == (workflow["name"], workflow["revision"], workflow["timezone"])
    assert ["schedule", "+work"] == list(workflow["config"])
    assert workflow == await get(client, f"/api/workflows/{workflow['id']}")


@pytest.mark.parametrize(("query", "expected"), [
    ({}, "2027-03-01T12:00:00Z"), ({"skip_schedule": "true"}, "2027-03-01T12:00:00Z"),
    ({"skip_schedule": "False"}, "2027-02-20T00:00:00Z"), ({"clear_schedule_all": "true"}, "2027-03-01T12:00:00Z"),
])  # fmt: skip
async def test_a_push_of_another_schedule_starts_what_was_missed_only_if_it_is_told_to(
    client: Client, pool: Pool, query: dict[str, str], expected: str
) -> None:
    await push(client, {"w.dig": HOURLY.replace("30:00", "30:00\n  start: 2027-02-19")})
    last = datetime(2027, 2, 19, 23, tzinfo=UTC)
    await pool.execute("UPDATE schedules SET last_session_at = $1", last)
    project = await push(client, {"w.dig": HOURLY.replace("30:00", "00:00")}, revision="r2", **query)
    audited = await pool.fetchval("SELECT new FROM audit_log WHERE action = 'project.push' ORDER BY id DESC LIMIT 1")

    assert expected == (await schedules_of(client, project))["w"]["nextRunTime"]
    assert (query in ({}, {"skip_schedule": "true"})) == ("left_out_of_schedules" in orjson.loads(audited))


async def test_a_slash_at_the_end_of_a_path_means_nothing(client: Client) -> None:
    project = await push(client, {"w.dig": PLAIN})
    for part in ("", "/workflows", "/revisions", "/secrets", "/schedules", "/workflows/w"):
        path = f"/api/projects/{project['id']}{part}"

        assert await get(client, path) == await get(client, path + "/"), part
        await get(client, path + "//", 404)


async def test_a_revision_that_there_is_not_is_404(client: Client) -> None:
    project = await push(client, {"w.dig": PLAIN})
    for path in ("workflows", "workflows/w", "archive"):
        document = await get(client, f"/api/projects/{project['id']}/{path}", 404, revision="r9")

        if path != "workflows/w":
            assert "no revision 'r9'" in document["message"], path


@pytest.mark.parametrize("path", ["workflows", "revisions", "secrets"])
async def test_what_no_client_pages_is_listed_whole(client: Client, pool: Pool, path: str) -> None:
    files = {f"w{number:03}.dig": PLAIN for number in range(101)} if path == "workflows" else {"w.dig": PLAIN}
    project = await push(client, files)
    await pool.execute(
        "INSERT INTO project_revisions (project_id, name, archive, archive_md5, pushed_by, created_at)"
        " SELECT $1, 'x' || n, '', '', 'anna', now() FROM generate_series(1, 101) AS n", int(project["id"]),
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO project_secrets SELECT $1, 'x' || n, 'y', now() FROM generate_series(1, 102) AS n",
        int(project["id"]),
    )
    whole = await get(client, f"/api/projects/{project['id']}/{path}")
    few = await get(client, f"/api/projects/{project['id']}/{path}", count="7")

    assert {"workflows": 101, "revisions": 102, "secrets": 102}[path] == len(whole[path])
    if path != "secrets":
        assert whole[path][:7] == few[path]


async def test_the_first_slot_of_a_pushed_schedule_is_the_next_one(client: Client) -> None:
    project = await push(client, {"daily.dig": DAILY})
    schedule = (await schedules_of(client, project))["daily"]

    assert ("2027-03-02T00:00:00Z", "2027-03-02T00:00:00+09:00") == (
        schedule["nextRunTime"],
        schedule["nextScheduleTime"],
    )


async def test_schedule_from_sets_the_first_slot(client: Client) -> None:
    project = await push(client, {"daily.dig": DAILY}, schedule_from="2027-02-20T00:00:00Z")
    schedule = (await schedules_of(client, project))["daily"]

    assert "2027-02-20T00:00:00+09:00" == schedule["nextScheduleTime"]


async def test_a_schedule_from_that_is_no_instant_is_refused(client: Client) -> None:
    for text in ("yesterday", "2027-02-20T00:00:00", "2027-02-30T00:00:00Z"):
        document = await push(client, {"daily.dig": DAILY}, 400, schedule_from=text)

        assert "schedule_from" in document["message"], text


async def test_a_second_push_keeps_the_schedule_and_that_it_is_disabled(client: Client) -> None:
    project = await push(client, {"daily.dig": DAILY})
    before = (await schedules_of(client, project))["daily"]
    await client.post(f"/api/schedules/{before['id']}/disable")
    await push(client, {"daily.dig": DAILY.replace("09:00", "10:00")}, revision="r2")
    after = (await schedules_of(client, project))["daily"]

    assert before["id"] == after["id"]
    assert after["disabledAt"] is not None
    assert "2027-03-02T01:00:00Z" == after["nextRunTime"]


async def test_a_push_after_a_skip_does_not_bring_the_skipped_back(client: Client) -> None:
    project = await push(client, {"daily.dig": DAILY})
    schedule = (await schedules_of(client, project))["daily"]
    body = {"dryRun": False, "nextTime": "2027-03-10T00:00:00+09:00"}
    await client.post(f"/api/schedules/{schedule['id']}/skip", json=body)
    await push(client, {"daily.dig": DAILY.replace("8080", "8081")}, revision="r2")

    assert "2027-03-10T00:00:00+09:00" == (await schedules_of(client, project))["daily"]["nextScheduleTime"]


async def test_clearing_forgets_what_was_fired_of_that_workflow_only(client: Client, pool: Pool) -> None:
    files = {"daily.dig": DAILY, "hourly.dig": HOURLY}
    project = await push(client, files)
    await pool.execute(
        "UPDATE schedules SET last_session_at = '2027-03-05T00:00:00Z', next_session_at = '2027-03-06T00:00:00Z',"
        " next_run_at = '2027-03-06T00:00:00Z'"
    )
    await push(client, files, revision="r2", clear_schedule=["daily"])
    found = await schedules_of(client, project)

    assert "2027-03-02T00:00:00+09:00" == found["daily"]["nextScheduleTime"]
    assert "2027-03-06T00:00:00+00:00" == found["hourly"]["nextScheduleTime"]
    await push(client, files, revision="r3", clear_schedule_all="true")
    assert "2027-03-01T12:00:00+00:00" == (await schedules_of(client, project))["hourly"]["nextScheduleTime"]


async def test_clearing_an_unknown_workflow_is_refused_with_the_nearest(client: Client) -> None:
    document = await push(client, {"daily.dig": DAILY}, 400, clear_schedule=["dialy", "nothing"])

    assert "'dialy'; did you mean 'daily'?" in document["message"]
    assert "'nothing'" in document["message"]
    assert [] == (await get(client, "/api/projects"))["projects"]


async def test_a_workflow_that_vanished_is_gone_with_its_schedule(client: Client) -> None:
    project = await push(client, {"daily.dig": DAILY, "hourly.dig": HOURLY})
    schedule = (await schedules_of(client, project))["daily"]
    await push(client, {"hourly.dig": HOURLY}, revision="r2")

    assert ["hourly"] == list(await schedules_of(client, project))
    await get(client, f"/api/schedules/{schedule['id']}", 404)
    await get(client, f"/api/workflows/{schedule['workflow']['id']}", 404)
    old = await get(client, f"/api/projects/{project['id']}/workflows", revision="r1")
    assert ["daily", "hourly"] == [workflow["name"] for workflow in old["workflows"]]


async def test_a_workflow_that_comes_back_keeps_its_id(client: Client, pool: Pool) -> None:
    await push(client, {"daily.dig": DAILY, "a.dig": PLAIN})
    before = await pool.fetchval("SELECT id FROM workflows WHERE name = 'daily'")
    await push(client, {"a.dig": PLAIN}, revision="r2")
    await push(client, {"daily.dig": DAILY}, revision="r3")

    assert before == await pool.fetchval("SELECT id FROM workflows WHERE name = 'daily' AND deleted_at IS NULL")


async def test_a_revision_is_pushed_once(client: Client) -> None:
    await push(client, {"daily.dig": DAILY})
    document = await push(client, {"hourly.dig": HOURLY}, 409)

    assert "'r1' already" in document["message"]
    assert 1 == len((await get(client, "/api/workflows"))["workflows"])


async def test_faults_name_file_line_and_text_all_at_once(client: Client) -> None:
    files = {
        "one.dig": "schedule:\n  daily>: 9 o'clock\n  unused: 1\n+a:\n  py>: x.y\n",
        "two.dig": "+a:\n  echo>: hi\n+b:\n  echo>: again\n",
    }
    document = await push(client, files, 400)
    lines = document["message"].splitlines()

    assert 400 == document["status"]
    assert ["one.dig:2", "one.dig:3", "one.dig:5", "two.dig:3"] == [":".join(line.split(":")[:2]) for line in lines]
    assert "py>" in lines[2]


async def test_a_push_takes_nothing_from_the_configuration_file(client: Client, pool: Pool) -> None:
    await make_workflow(pool, name="daily")
    files = {"daily.dig": DAILY, "other.dig": PLAIN}
    document = await push(client, files, 400, project="default", revision="r1")

    assert document["message"].startswith("daily.dig: ")
    assert ["daily"] == [each["name"] for each in (await get(client, "/api/workflows"))["workflows"]]


async def test_an_archive_without_workflows_is_refused(client: Client) -> None:
    archives = {b"": "not gzip", b"\x1f\x8b\x08rubbish": "gzip", packed({"readme.md": "x"}): "no workflow"}
    for data, words in archives.items():
        assert words in (await push(client, data, 400))["message"]


async def test_an_archive_beyond_the_limit_is_refused(client: Client) -> None:
    answer = await client.put(
        "/api/projects?project=a&revision=b",
        data=io.BytesIO(b"x" * (1 << 21)),
        headers={"Content-Type": "application/gzip"},
    )

    assert 413 == answer.status


async def test_a_fault_in_the_middle_of_a_push_changes_nothing(
    client: Client, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await push(client, {"a.dig": DAILY, "b.dig": HOURLY})
    before = await pool.fetch("SELECT * FROM workflows ORDER BY id"), await pool.fetch("SELECT * FROM schedules")
    calls = []

    async def breaks_at_the_second(*given: Any, **_: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise BackfilldError("the machine went away")

    monkeypatch.setattr(pushing, "place_schedule", breaks_at_the_second)
    await push(client, {"a.dig": HOURLY, "b.dig": DAILY, "c.dig": PLAIN}, 500, revision="r2")

    assert 2 == len(calls)
    assert before == (
        await pool.fetch("SELECT * FROM workflows ORDER BY id"),
        await pool.fetch("SELECT * FROM schedules"),
    )
    assert "r1" == (await get(client, f"/api/projects/{project['id']}"))["revision"]


async def test_a_deleted_project_is_gone_and_its_name_is_free(client: Client, pool: Pool) -> None:
    project = await push(client, {"daily.dig": DAILY})
    schedule = (await schedules_of(client, project))["daily"]
    deleted = await (await client.delete(f"/api/projects/{project['id']}")).json()
    again = await push(client, {"daily.dig": DAILY})

    assert project["id"] == deleted["id"]
    assert deleted["deletedAt"] is not None
    await get(client, f"/api/projects/{project['id']}", 404)
    await get(client, f"/api/projects/{project['id']}/schedules", 404)
    await get(client, f"/api/schedules/{schedule['id']}", 404)
    await get(client, f"/api/workflows/{schedule['workflow']['id']}", 404)
    assert 404 == (await client.delete(f"/api/projects/{project['id']}")).status
    assert again["id"] != project["id"]
    assert [again["id"]] == [each["id"] for each in (await get(client, "/api/projects"))["projects"]]


async def test_a_project_with_workflows_of_the_file_is_not_deleted(client: Client, pool: Pool) -> None:
    await make_workflow(pool, name="daily")
    (project,) = (await get(client, "/api/projects"))["projects"]
    await pool.execute("UPDATE workflows SET managed_by = 'config'")

    assert 409 == (await client.delete(f"/api/projects/{project['id']}")).status
    assert ("none", None) == (project["archiveType"], project["archiveMd5"])
    await get(client, f"/api/projects/{project['id']}/archive", 404)


async def test_projects_are_listed_by_name_part_and_page(client: Client) -> None:
    for name in ("north", "south", "north-east"):
        await push(client, {"a.dig": PLAIN}, project=name, revision="1")

    async def names(**query: Any) -> list[str]:
        return [each["name"] for each in (await get(client, "/api/projects", **query))["projects"]]

    assert ["north", "south", "north-east"] == await names()
    assert ["south"] == await names(name="south")
    assert [] == await names(name="west")
    assert ["north", "north-east"] == await names(name_pattern="north")
    first = (await get(client, "/api/projects", count=1))["projects"][0]
    assert ["south", "north-east"] == await names(last_id=first["id"])


async def test_workflows_are_listed_in_order_by_part_and_page(client: Client) -> None:
    await push(client, {"load.dig": PLAIN, "clean.dig": PLAIN}, project="north", revision="1")
    await push(client, {"report.dig": PLAIN}, project="load-south", revision="1")

    async def names(**query: Any) -> list[str]:
        return [each["name"] for each in (await get(client, "/api/workflows", **query))["workflows"]]

    assert ["clean", "load", "report"] == await names()
    assert ["report", "load", "clean"] == await names(order="desc")
    assert ["load"] == await names(name_pattern="load")
    assert ["load", "report"] == await names(name_pattern="load", search_project_name="True")
    first = (await get(client, "/api/workflows", count=1))["workflows"][0]
    assert ["load", "report"] == await names(last_id=first["id"])
    last = (await get(client, "/api/workflows", count=1, order="desc"))["workflows"][0]
    assert ["load", "clean"] == await names(last_id=last["id"], order="desc")


async def test_workflows_of_a_project_are_found_by_either_word(client: Client) -> None:
    project = await push(client, {"load.dig": PLAIN, "clean.dig": PLAIN})
    path = f"/api/projects/{project['id']}/workflows"

    for query in ({"name": "load"}, {"workflow": "load"}):
        assert ["load"] == [each["name"] for each in (await get(client, path, **query))["workflows"]]
    assert [] == (await get(client, path, name="nothing"))["workflows"]
    await get(client, path + "/nothing", 404)


async def test_a_definition_keeps_its_id_and_a_push_makes_a_new_one(client: Client, pool: Pool) -> None:
    project = await push(client, {"load.dig": PLAIN})
    path = f"/api/projects/{project['id']}/workflows/load"
    first = await get(client, path)
    await push(client, {"load.dig": PLAIN.replace("hi", "ho")}, revision="r2")
    second = await get(client, path)
    own = await pool.fetchval("SELECT id FROM workflows")

    assert first["id"] != second["id"]
    assert first == await get(client, f"/api/workflows/{first['id']}")
    assert first == await get(client, path, revision="r1")
    assert second == await get(client, f"/api/workflows/{own}")


async def test_revisions_are_listed_newest_first(client: Client) -> None:
    project = await push(client, {"load.dig": PLAIN})
    await push(client, {"load.dig": HOURLY}, revision="r2")
    found = (await get(client, f"/api/projects/{project['id']}/revisions"))["revisions"]
    old = await client.get(f"/api/projects/{project['id']}/archive", params={"revision": "r1"})

    assert ["r2", "r1"] == [each["revision"] for each in found]
    assert {"revision", "createdAt", "archiveType", "archiveMd5", "userInfo"} == set(found[0])
    assert packed({"load.dig": PLAIN}) == await old.read()


async def test_secrets_are_set_listed_by_key_and_deleted_and_never_shown(client: Client, pool: Pool) -> None:
    project = await push(client, {"load.dig": PLAIN})
    path = f"/api/projects/{project['id']}/secrets"
    token = await client.put(f"{path}/token", json={"value": "hush-hush"})
    await client.put(f"{path}/other", json={"value": "quiet"})

    assert {"key": "token", "project": {"id": project["id"], "name": project["name"]}} == await token.json()
    assert {"secrets": [{"key": "other"}, {"key": "token"}]} == await get(client, path + "/") == await get(client, path)
    assert 200 == (await client.delete(f"{path}/other")).status
    assert 200 == (await client.delete(f"{path}/other")).status
    assert {"secrets": [{"key": "token"}]} == await get(client, path)
    audit = [dict(row) for row in await pool.fetch("SELECT action, old, new FROM audit_log ORDER BY id")]
    assert ["project.push", "project.set_secret", "project.set_secret", "project.delete_secret"] == [
        row["action"] for row in audit
    ]
    assert "hush" not in str(audit)
    assert {"key": "token"} == orjson.loads(audit[1]["new"])


async def test_a_secret_that_is_none_is_refused(client: Client) -> None:
    project = await push(client, {"load.dig": PLAIN})
    for value in ({}, {"value": ""}, {"value": 7}, {"value": "x" * 20_000}):
        answer = await client.put(f"/api/projects/{project['id']}/secrets/k", json=value)

        assert 400 == answer.status, value


async def test_an_operator_cannot_push(client: Client, clock: FakeClock, pool: Pool, serve: Serve) -> None:
    operations = ProjectOperations(pool, clock, DefinitionRules)
    operator = await serve(projects.routes(operations, max_body_bytes=1000))
    answer = await operator.put(
        "/api/projects?project=a&revision=b", data=b"", headers={"Content-Type": "application/gzip"}
    )

    assert 403 == answer.status


MERGED = "a0: &a0 {}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 8)}]}}\n" for n in range(10))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MERGED, "bomb.dig:"),
        ("+t:\n  echo>: x\n  _export: &a {<<: *a}\n", "bomb.dig:3: has more than 20000 values"),
        ("+t:\n  echo>: " + "9" * 20_000 + "\n", "bomb.dig:2: a number of 20000 digits"),
    ],
    ids=["merges", "circle", "digits"],
)
async def test_what_grows_when_it_is_read_is_refused_with_file_and_line(client: Client, text: str, told: str) -> None:
    document = await push(client, {"bomb.dig": text}, 400)

    assert told in document["message"]


async def test_a_push_that_is_read_too_long_ends_with_its_work(pool: Pool, clock: FakeClock, serve: Serve) -> None:
    begun, over = threading.Event(), threading.Event()

    def endless(*given: Any) -> list[Any]:
        begun.set()
        budget = given[-1]
        with suppress(NobodyWaits):
            while True:
                budget.look_up()
        over.set()
        return []

    operations = ProjectOperations(pool, clock, lambda: DefinitionRules(("http",), ()), reading_seconds=0.2)
    client = await serve(projects.routes(operations, max_body_bytes=1 << 20), role="admin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pushing, "read_archived_project", endless)
        document = await push(client, {"a.dig": PLAIN}, 400)

    assert "cannot be read within 0.2 s" in document["message"]
    assert not begun.is_set() or await asyncio.to_thread(over.wait, 30)  # a busy machine may never have begun it
