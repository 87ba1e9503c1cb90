"""`backfilld schedules …` asks as it was told, and shows what was answered."""

from datetime import datetime
from uuid import UUID

import pytest
from tests.support.stub_daemon import Scripted, digdag

from backfilld.cli.output.printing import spelled

PATH = "/public-api/schedules/preview"
SESSION = {
    "session_time": "2027-03-14T07:00:00Z",
    "run_time": "2027-03-14T08:00:00Z",
    "session_time_local": "2027-03-14T00:00:00-07:00",
}


async def test_options_are_handed_on(backfilld, daemon):
    daemon.script("POST", PATH, Scripted(data={"sessions": [SESSION]}))
    ended = await backfilld(
        "schedules", "preview", '{"daily>": "01:00:00"}', "--timezone", "America/Denver",
        "--before", "2027-03-15T00:00:00Z", "--count", "1", "--json",
    )  # fmt: skip

    assert {"sessions": [SESSION]} == ended.json
    assert {
        "schedule": {"daily>": "01:00:00"}, "timezone": "America/Denver", "before": "2027-03-15T00:00:00Z", "count": 1,
    } == daemon.received[0].json  # fmt: skip


async def test_left_out_it_looks_from_now_on_and_shows_both_times(backfilld, daemon):
    daemon.script("POST", PATH, Scripted(data={"sessions": [SESSION]}, warnings=("read as UTC",)))
    ended = await backfilld("schedules", "preview", '{"daily>": "01:00:00"}')

    assert 0 == ended.code
    assert datetime.fromisoformat(daemon.received[0].json["from"]).utcoffset() is not None
    for shown in ("2027-03-14 00:00:00 -0700", "2027-03-14 01:00:00 -0700"):
        assert shown in ended.out
    assert "read as UTC" in ended.err


SCHEDULE = {
    "id": "42", "project": {"id": "1", "name": "sales"}, "workflow": {"id": "9", "name": "daily"},
    "nextRunTime": "2027-03-02T00:00:00Z", "nextScheduleTime": "2027-03-02T00:00:00+09:00", "disabledAt": None,
}  # fmt: skip
ATTEMPT = {"id": "7", "status": "queued", "sessionTime": "2027-03-01T00:00:00+09:00", "retryAttemptName": "again"}
MADE = {"id": "42", "attempts": [ATTEMPT], "backfillId": "6f1c1d5e-0000-4000-8000-000000000001"}
BACKFILL = "/api/schedules/42/backfill"


async def test_schedules_are_listed_page_after_page(backfilld, daemon, monkeypatch):
    monkeypatch.setattr("backfilld.client.digdag.PAGE_SIZE", 1)
    other = SCHEDULE | {"id": "43", "disabledAt": "2027-03-01T00:00:00Z"}
    pages = ([SCHEDULE], [other], [])
    daemon.script("GET", "/api/schedules", *(digdag({"schedules": page}) for page in pages))
    ended = await backfilld("schedules", "list", "--json")

    assert {"schedules": [SCHEDULE, other]} == ended.json
    assert [None, ["42"], ["43"]] == [each.query.get("last_id") for each in daemon.received]


async def test_where_a_schedule_stands_is_shown(backfilld, daemon):
    daemon.script("GET", "/api/schedules/42", digdag(SCHEDULE))
    ended = await backfilld("schedules", "show", "42")

    assert 0 == ended.code
    for shown in ("sales (1)", "daily (9)", "2027-03-02 00:00:00 +0900", "2027-03-02 09:00:00 +0900"):
        assert shown in ended.out


async def test_every_option_of_a_backfill_is_handed_on(backfilld, daemon):
    daemon.script("POST", BACKFILL, digdag(MADE))
    ended = await backfilld(
        "schedules", "backfill", "42", "--from", "2027-03-01T00:00:00Z", "--to", "2027-03-02T00:00:00+09:00",
        "--count", "1", "--name", "again", "--max-in-flight", "4", "--window", "mon 22:00-06:00",
        "--timezone", "Asia/Tokyo", "--stop-on-failure", "--json",
    )  # fmt: skip

    assert MADE == ended.json
    assert {
        "dryRun": False, "fromTime": "2027-03-01T00:00:00Z", "toTime": "2027-03-02T00:00:00+09:00", "count": 1,
        "attemptName": "again", "maxInFlight": 4, "windowTimezone": "Asia/Tokyo", "stopOnFailure": True,
        "dailyExecutionWindows": {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]},
    } == daemon.received[0].json  # fmt: skip


async def test_a_dry_run_names_each_session_and_says_that_nothing_was_made(backfilld, daemon):
    daemon.script("POST", BACKFILL, digdag(MADE | {"backfillId": None}))
    ended = await backfilld("schedules", "backfill", "42", "--from", "2027-03-01T00:00:00Z", "--dry-run")

    assert daemon.received[0].json["dryRun"] is True
    assert spelled(ATTEMPT["sessionTime"]) in ended.out
    assert "1 would be run; nothing was made." in ended.err


async def test_a_dry_run_names_what_is_left_out_because_it_was_run_before(backfilld, daemon):
    earlier, later = (ATTEMPT | {"sessionTime": f"2027-03-0{day}T00:00:00+09:00"} for day in (1, 2))
    left_out = {"sessionTime": earlier["sessionTime"], "sessionId": "5", "attemptId": "6", "status": "killed"}
    daemon.script(
        "POST", BACKFILL, digdag(MADE | {"attempts": [later], "leftOut": [left_out], "backfillId": None})
    )  # fmt: skip
    ended = await backfilld(
        "schedules", "backfill", "42", "--from", "2027-03-01T00:00:00Z", "--skip-succeeded", "--dry-run"
    )
    first, second = ended.out.splitlines()[1:]

    assert first.startswith(f"{spelled(earlier['sessionTime'])}  left out: it has an attempt (killed)")
    assert second.startswith(f"{spelled(later['sessionTime'])}  {later['status']}")
    assert "1 would be run, 1 left out; nothing was made." in ended.err
    assert [True] == [request.json["skipSucceeded"] for request in daemon.received]


@pytest.mark.parametrize(("written", "asked"), [("2027-03-01", "2027-03-01T00:00:00"), ("2027-03-01T09:30", None)])
async def test_a_time_without_an_offset_is_read_by_the_workflow(backfilld, daemon, written, asked):
    daemon.script("GET", "/api/schedules/42", digdag(SCHEDULE))
    truncated = "/api/workflows/9/truncated_session_time"
    daemon.script("GET", truncated, digdag({"sessionTime": "2027-03-01T09:30:00+09:00"}))
    daemon.script("POST", BACKFILL, digdag(MADE))
    await backfilld("schedules", "backfill", "42", "--from", written)

    assert [asked or written] == daemon.sent("GET", truncated)[0].query["session_time"]
    assert "2027-03-01T09:30:00+09:00" == daemon.sent("POST", BACKFILL)[0].json["fromTime"]


@pytest.mark.parametrize(("arguments", "option"), [
    (("schedules", "backfill", "42", "--to", "yesterday", "--from", "2027-03-01T00:00:00Z"), "--to"),
    (("schedules", "backfill", "42", "--from", "yesterday"), "--from"),
    (("attempts", "start", "9", "--session", "yesterday"), "--session"),
])  # fmt: skip
async def test_a_time_that_is_none_is_told_with_its_option(backfilld, daemon, arguments, option):
    daemon.script("GET", "/api/schedules/42", digdag(SCHEDULE))
    refusal = {"message": "query/session_time: must be a time such as 2027-03-01T09:00:00+09:00", "status": 400}
    daemon.script("GET", "/api/workflows/9/truncated_session_time", digdag(refusal, 400))
    ended = await backfilld(*arguments)

    assert 2 == ended.code
    assert f"Invalid value for {option}: 'yesterday' must be a time such as 2027-03-01T09:00:00+09:00" in ended.err


async def test_attempts_are_named_only_where_a_name_is_needed(backfilld, daemon):
    daemon.script("POST", BACKFILL, digdag(MADE))
    for options in (
        ["--from", "2027-03-01T00:00:00Z"],
        ["--from", "2027-03-01T00:00:00Z", "--skip-existing"],
        ["--advance"],
    ):
        await backfilld("schedules", "backfill", "42", *options)
    fresh, skipping, advancing = (each.json for each in daemon.received)

    assert UUID(fresh["attemptName"])
    assert {"dryRun": False, "fromTime": "2027-03-01T00:00:00Z", "skipExisting": True} == skipping
    assert {"dryRun": False, "skipExisting": True, "advanceSchedule": True} == advancing


@pytest.mark.parametrize(("status", "code"), [(400, 2), (401, 8), (403, 8), (404, 3), (409, 4)])
async def test_a_refusal_is_told_in_the_words_of_the_daemon(backfilld, daemon, status, code):
    daemon.script("POST", BACKFILL, digdag({"message": "no, because", "status": status}, status))
    ended = await backfilld("schedules", "backfill", "42", "--from", "2027-03-01T00:00:00Z")

    assert code == ended.code
    assert "no, because" in ended.err


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (["enable", "42"], {"skipSchedule": True}),
        (["enable", "42", "--next", "2027-03-05T00:00"], {"skipSchedule": True, "nextTime": "2027-03-05T00:00"}),
        (["enable", "42", "--next", "2027-03-05"], {"skipSchedule": True, "nextTime": "2027-03-05T00:00:00"}),
        (["enable", "42", "--run-missed"], {"skipSchedule": False}),
        (["disable", "42"], {}),
        (["skip", "42", "--to", "2027-03-05"], {"nextTime": "2027-03-05T00:00:00", "dryRun": False}),
        (["skip", "42", "--to", "2027-03-05T00:00", "--dry-run"], {"nextTime": "2027-03-05T00:00", "dryRun": True}),
        (
            ["skip", "42", "--from", "2027-03-05T00:00", "--count", "2", "--run-at", "2027-03-05T01:00"],
            {"fromTime": "2027-03-05T00:00", "count": 2, "nextRunTime": "2027-03-05T01:00", "dryRun": False},
        ),
    ],
)
async def test_a_schedule_is_steered_and_shown_as_it_stands_then(backfilld, daemon, arguments, sent):
    path = f"/api/schedules/42/{arguments[0]}"
    daemon.script("POST", path, digdag(SCHEDULE))
    ended = await backfilld("schedules", *arguments)

    assert sent == daemon.sent("POST", path)[0].json
    assert spelled(SCHEDULE["nextScheduleTime"]) in ended.out
    assert 0 == ended.code


SUMMER = {"nextRunTime": "2027-10-31T06:00:00Z", "nextScheduleTime": "2027-10-31T00:00:00+02:00"}  # until 3 o'clock
BERLIN = {"id": "9", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize("arguments", [("show", "42"), ("list",), ("disable", "42")])
async def test_when_it_runs_is_told_by_the_clock_of_then_and_not_by_that_of_its_session(backfilld, daemon, arguments):
    schedule = SCHEDULE | SUMMER
    daemon.script("GET", "/api/schedules", digdag({"schedules": [schedule]}))
    daemon.script("GET", "/api/schedules/42", digdag(schedule))
    daemon.script("POST", "/api/schedules/42/disable", digdag(schedule))
    daemon.script("GET", "/api/workflows", digdag({"workflows": [BERLIN]}))
    daemon.script("GET", "/api/workflows/9", digdag(BERLIN))
    ended = await backfilld("schedules", *arguments)

    for shown in ("2027-10-31 00:00:00 +0200", "2027-10-31 07:00:00 +0100"):
        assert shown in ended.out


async def test_a_preview_tells_when_it_runs_by_the_clock_of_then(backfilld, daemon):
    autumn = {"session_time_local": SUMMER["nextScheduleTime"], "run_time": SUMMER["nextRunTime"]}
    daemon.script("POST", PATH, Scripted(data={"sessions": [autumn]}))
    ended = await backfilld("schedules", "preview", '{"daily>": "07:00:00"}', "--timezone", "Europe/Berlin")

    assert "2027-10-31 07:00:00 +0100" in ended.out
