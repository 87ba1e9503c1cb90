"""`backfilld attempts …` asks as it was told, and shows what was answered."""

import gzip
from typing import Any
from uuid import UUID

import orjson
import pytest
from tests.support.stub_daemon import Scripted, digdag

ATTEMPT: dict[str, Any] = {
    "id": "7", "index": 1, "project": {"id": "1", "name": "sales"}, "workflow": {"id": "9", "name": "daily"},
    "sessionId": "3", "sessionUuid": "6f1c1d5e-0000-4000-8000-000000000001",
    "sessionTime": "2027-03-01T00:00:00+09:00", "retryAttemptName": "", "done": True, "success": False,
    "cancelRequested": False, "params": {"a": 1, "b": 2}, "createdAt": "2027-03-01T00:00:00Z",
    "finishedAt": "2027-03-01T00:01:00Z", "status": "error",
}  # fmt: skip


async def test_attempts_are_listed_up_to_the_limit(backfilld, daemon):
    daemon.script("GET", "/api/attempts", digdag({"attempts": [ATTEMPT | {"id": str(id)} for id in (9, 8)]}))
    ended = await backfilld("attempts", "list", "--project", "sales", "--retried", "--limit", "2", "--json")
    query = daemon.received[0].query

    assert ["9", "8"] == [attempt["id"] for attempt in ended.json["attempts"]]
    assert (["sales"], ["true"], ["2"]) == (query["project"], query["include_retried"], query["page_size"])
    assert 1 == len(daemon.received)


async def test_an_attempt_is_shown(backfilld, daemon):
    daemon.script("GET", "/api/attempts/7", digdag(ATTEMPT))
    ended = await backfilld("attempts", "show", "7")

    for shown in ("error", "sales", "daily", "2027-03-01 00:00:00 +0900"):
        assert shown in ended.out


async def test_a_start_reads_the_time_by_the_workflows_clock(backfilld, daemon):
    truncated = "/api/workflows/9/truncated_session_time"
    daemon.script("GET", truncated, digdag({"sessionTime": ATTEMPT["sessionTime"]}))
    daemon.script("PUT", "/api/attempts", digdag(ATTEMPT))
    await backfilld("attempts", "start", "9", "--session", "2027-03-01T00:00", "--params", '{"a": 1}', "--name", "x")

    assert {
        "workflowId": 9, "sessionTime": ATTEMPT["sessionTime"], "params": {"a": 1}, "retryAttemptName": "x",
    } == daemon.sent("PUT", "/api/attempts")[0].json  # fmt: skip


async def test_a_time_that_is_no_slot_is_warned_of(backfilld, daemon):
    told = {"X-Backfilld-Warning": "it is no session; the nearest is another | and more"}
    daemon.script("PUT", "/api/attempts", Scripted(raw=orjson.dumps(ATTEMPT), headers=told))
    ended = await backfilld("attempts", "start", "9", "--session", "2027-03-01T00:00:00Z")

    assert 0 == ended.code
    assert "Warning: it is no session; the nearest is another\nWarning: and more\n" == ended.err


async def test_a_name_that_is_taken_is_a_conflict_that_names_the_attempt(backfilld, daemon):
    daemon.script("GET", "/api/attempts/7", digdag(ATTEMPT))
    daemon.script("PUT", "/api/attempts", digdag(ATTEMPT, 409))
    ended = await backfilld("attempts", "retry", "7", "--name", "x", "--json")

    assert 4 == ended.code
    assert "attempt_exists" == orjson.loads(ended.err)["error"]["code"]
    assert "attempt 7 " in ended.err


async def test_a_retry_is_the_same_session_under_a_new_name(backfilld, daemon):
    daemon.script("GET", "/api/attempts/7", digdag(ATTEMPT))
    daemon.script("PUT", "/api/attempts", digdag(ATTEMPT | {"id": "8"}))
    await backfilld("attempts", "retry", "7", "--params", '{"b": 3}')
    sent = daemon.sent("PUT", "/api/attempts")[0].json

    assert UUID(sent.pop("retryAttemptName"))
    assert {"workflowId": 9, "sessionTime": ATTEMPT["sessionTime"], "params": {"a": 1, "b": 3}} == sent


async def test_a_killed_attempt_is_shown_as_it_stands_then(backfilld, daemon):
    daemon.script("POST", "/api/attempts/7/kill", digdag(ATTEMPT | {"status": "killed"}))
    ended = await backfilld("attempts", "kill", "7")

    assert "killed" in ended.out


async def test_logs_are_printed_try_after_try(backfilld, daemon):
    daemon.script(
        "GET", "/api/logs/7/files", digdag({"files": [{"fileName": "+a@1.log.gz"}, {"fileName": "+a@2.log.gz"}]})
    )
    for number, text in ((1, "busy"), (2, "grüß dich\n")):
        daemon.script("GET", f"/api/logs/7/files/%2Ba@{number}.log.gz", Scripted(raw=gzip.compress(text.encode())))
    ended = await backfilld("attempts", "log", "7")

    assert "busy\ngrüß dich\n" == ended.out


@pytest.mark.parametrize("arguments", [("attempts", "show", "7"), ("attempts", "kill", "7"), ("sessions", "show", "3")])
async def test_when_it_was_made_is_told_by_the_clock_of_then_and_not_by_that_of_its_session(
    backfilld, daemon, arguments
):
    summer = {"sessionTime": "2027-07-01T00:00:00+02:00", "createdAt": "2027-12-01T12:00:00Z"}
    attempt = ATTEMPT | summer
    session = {"id": "3", "sessionTime": summer["sessionTime"]} | {
        name: attempt[name] for name in ("project", "workflow")
    }
    daemon.script("GET", "/api/attempts/7", digdag(attempt))
    daemon.script("POST", "/api/attempts/7/kill", digdag(attempt))
    daemon.script("GET", "/api/sessions/3", digdag(session))
    daemon.script("GET", "/api/sessions/3/attempts", digdag({"attempts": [attempt]}))
    daemon.script("GET", "/api/workflows/9", digdag({"id": "9", "timezone": "Europe/Berlin"}))
    ended = await backfilld(*arguments)

    for shown in ("2027-07-01 00:00:00 +0200", "2027-12-01 13:00:00 +0100"):
        assert shown in ended.out
