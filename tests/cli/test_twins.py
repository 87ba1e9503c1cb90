"""What pages can do, commands can: ids by their beginning, the ledger, workflows, records, windows, profiles."""

import stat
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Backfilld
from tests.cli.every_command import commands
from tests.support.stub_daemon import Scripted, StubDaemon, digdag

from backfilld.cli.backfills import watch
from backfilld.cli.whole import WholeCommand

ID, OTHER = "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11", "6f1c2b00-5d0e-4a53-9f43-0e9b4d3f7c11"
BACKFILLS = "/public-api/backfills"
ENTRY: dict[str, Any] = {
    "entity_id": "7", "position": 3, "status": "failed", "attempts": 2, "started_at": None,
    "finished_at": "2027-03-01T12:00:05Z", "duration_ms": 1300, "message": None, "result": None,
    "error_class": "http_409", "error": "locked", "skip_reason": None, "credits": 0.5,
}  # fmt: skip
WORKFLOW: dict[str, Any] = {
    "id": 3, "project": "default", "name": "notify", "managed_by": "api", "enabled": True, "revision_id": 4,
    "version": 1, "executor": {"type": "http", "url": "https://x.example"}, "timezone": "UTC", "schedule": None,
    "credits_per_entity": 0, "max_attempts": 3, "timeout_seconds": 30.0, "exports": {}, "substitutes": False,
    "created_at": "2027-03-01T12:00:00Z", "updated_at": "2027-03-01T12:00:00Z",
}  # fmt: skip


def found(*ids: str) -> Scripted:
    return Scripted(data={"backfills": [{"id": id} for id in ids]})


def found_whole(*backfills: dict[str, Any]) -> Scripted:
    return Scripted(data={"backfills": list(backfills)})


@pytest.mark.parametrize(
    ("given", "listed", "code", "words"),
    [
        (ID, (), 0, ""),
        ("last", (ID, OTHER), 0, ""),
        ("6f1c1", (ID,), 0, ""),
        ("6F1C1", (ID,), 0, ""),
        ("6f1c", (ID, OTHER), 2, "2 backfills' ids begin with 6f1c"),
        ("abcd", (), 3, "no backfill's id begins with abcd"),
        ("last", (), 3, "there is no backfill yet"),
    ],
)
async def test_a_backfill_is_named_by_the_beginning_of_its_id(
    backfilld: Backfilld, daemon: StubDaemon, given: str, listed: tuple[str, ...], code: int, words: str
) -> None:
    daemon.script("GET", BACKFILLS, found(*listed))
    signal = {"backfill_id": ID, "signal": "pause", "message": "paused", "backfill": {}}
    daemon.script("POST", f"{BACKFILLS}/{ID}/pause", Scripted(202, data=signal))
    ended = await backfilld("backfills", "pause", given)

    assert (code, True) == (ended.code, words in ended.err)
    assert (code == 0) == bool(daemon.sent("POST", f"{BACKFILLS}/{ID}/pause"))


async def test_the_ledger_is_listed_in_the_zone_of_the_backfill(backfilld: Backfilld, daemon: StubDaemon) -> None:
    daemon.script("GET", f"{BACKFILLS}/{ID}", Scripted(data={"backfill": {"timezone": "Asia/Tokyo"}}))
    daemon.script("GET", f"{BACKFILLS}/{ID}/entities", Scripted(data={"entities": [ENTRY]}))
    shown = await backfilld("backfills", "entities", ID, "--status", "failed", "--error-class", "http_409")
    ids = await backfilld("backfills", "entities", ID, "--ids-only")
    (query,) = [one.query for one in daemon.sent("GET", f"{BACKFILLS}/{ID}/entities")][:1]

    assert "2027-03-01 21:00:05 +0900" in shown.out
    assert "locked" in shown.out
    assert (["failed"], ["http_409"]) == (query["status"], query["error_class"])
    assert "7\n" == ids.out


async def test_one_entity_is_shown_with_its_tries(backfilld: Backfilld, daemon: StubDaemon) -> None:
    tries = [{"attempt": 1, "started_at": None, "finished_at": None, "error_class": "http_500", "error": "boom",
              "http_status": 500}]  # fmt: skip
    daemon.script("GET", f"{BACKFILLS}/{ID}", Scripted(data={"backfill": {"timezone": "UTC"}}))
    daemon.script("GET", f"{BACKFILLS}/{ID}/entities/7", Scripted(data={"entity": ENTRY | {"tries": tries}}))
    shown = await backfilld("backfills", "entity", ID, "7")

    assert 0 == shown.code, shown.err
    assert "http_500" in shown.out
    assert "boom" in shown.out


@pytest.mark.parametrize(
    ("command", "method", "body"),
    [
        (("enable", "3"), "PATCH", {"enabled": True}),
        (("disable", "3"), "PATCH", {"enabled": False}),
        (("edit", "3", '{"max_attempts": 5}'), "PATCH", {"max_attempts": 5}),
        (("show", "3"), "GET", None),
        (("delete", "3", "--yes"), "DELETE", None),
    ],
)
async def test_a_workflow_is_changed(
    backfilld: Backfilld, daemon: StubDaemon, command: tuple[str, ...], method: str, body: Any
) -> None:
    daemon.script(method, "/public-api/workflows/3", Scripted(data={"workflow": WORKFLOW}))
    ended = await backfilld("workflows", *command)
    (sent,) = daemon.sent(method, "/public-api/workflows/3")

    assert 0 == ended.code, ended.err
    assert body is None or body == sent.json


async def test_a_workflow_is_made_and_a_question_is_asked_before_one_goes(
    backfilld: Backfilld, daemon: StubDaemon
) -> None:
    daemon.script("POST", "/public-api/workflows", Scripted(201, data={"workflow": WORKFLOW}))
    made = await backfilld("workflows", "create", '{"name": "notify"}')
    refused = await backfilld("workflows", "delete", "3", stdin="n\n")

    assert (0, 1) == (made.code, refused.code)
    assert "default/notify" in made.out
    assert not daemon.sent("DELETE", "/public-api/workflows/3")


async def test_records_are_listed_shown_and_deleted(backfilld: Backfilld, daemon: StubDaemon) -> None:
    one = {"id": "7", "type": "ticket", "attributes": {"priority": 2, "title": "VPN"}, "as_of": None}
    daemon.script("GET", "/public-api/entities/ticket", Scripted(data={"entities": [one]}))
    daemon.script("GET", "/public-api/entities/ticket/7", Scripted(data={"entity": one}))
    daemon.script("DELETE", "/public-api/entities/ticket/7", Scripted(204))
    listed = await backfilld("entities", "list", "ticket")
    shown = await backfilld("entities", "show", "ticket", "7")
    deleted = await backfilld("entities", "delete", "ticket", "7", "--yes")

    assert '{"priority":2,"title":"VPN"}' in listed.out
    assert "  priority: 2\n  title: VPN" in shown.out
    assert (0, "ticket 7 is deleted.\n") == (deleted.code, deleted.out)


async def test_windows_are_previewed(backfilld: Backfilld, daemon: StubDaemon) -> None:
    data = {
        "open": False, "closes_at": None, "next_open_at": "2027-03-01T21:00:00Z", "effective_windows": {}, "notes": [],
        "intervals": [{"opens_at_local": "2027-03-01T22:00:00+01:00", "closes_at_local": "2027-03-02T06:00:00+01:00"}],
    }  # fmt: skip
    daemon.script("POST", "/public-api/windows/preview", Scripted(data=data))
    arguments = ("--window", "mon-fri 22:00-06:00", "--timezone", "Europe/Berlin", "--days", "3")
    ended = await backfilld("windows", "preview", *arguments)
    (sent,) = daemon.sent("POST", "/public-api/windows/preview")

    assert 0 == ended.code, ended.err
    assert "2027-03-01 22:00:00 +0100" in ended.out
    assert ("Europe/Berlin", 3) == (sent.json["timezone"], sent.json["days"])


async def test_status_says_who_stopped_everything_and_what_is_wrong(backfilld: Backfilld, daemon: StubDaemon) -> None:
    system = {
        "version": "1", "python": "3.11", "tzdata": "2026.6", "started_at": "2027-03-01T12:00:00Z", "ready": False,
        "checks": [{"name": "database", "ok": False, "message": "no disk"}],
        "database": {"name": "x", "version": "16", "size_bytes": 10_000_000, "latency_ms": 1.5},
        "daemons": [{"instance": "0f6b3d5e9a2c", "process": "1-a", "this": True, "backfills": 2, "attempts": 0,
                     "in_flight": 7}],
        "stop": {"stopped": True, "by": "anna", "reason": "incident", "since": "2027-03-01T12:00:00Z"},
    }  # fmt: skip
    daemon.script("GET", "/public-api/system", Scripted(data={"system": system}))
    daemon.script("GET", BACKFILLS, found(ID))
    ended = await backfilld("status")

    assert 0 == ended.code, ended.err
    assert "database: no disk" in ended.out
    assert "by anna: “incident”" in ended.out
    assert "0f6b3d5e" in ended.out


async def test_a_target_is_tried_at_once(backfilld: Backfilld, daemon: StubDaemon) -> None:
    daemon.script("POST", "/public-api/targets/try-now", Scripted(202, data={"message": "it is asked"}))
    ended = await backfilld("targets", "try-now", "https://crm.example", "--reason", "mended")
    (sent,) = daemon.sent("POST", "/public-api/targets/try-now")

    assert "it is asked" in ended.out
    assert {"target": "https://crm.example", "reason": "mended"} == sent.json


async def test_all_that_is_active_is_watched_until_nothing_is(backfilld: Backfilld, daemon: StubDaemon) -> None:
    one = {
        "id": ID, "status": "running", "total_entities": 4, "to_run_count": 4, "processed_count": 1, "failed_count": 0,
        "name": "nights", "target_workflow_name": "notify", "status_reason": None,
    }  # fmt: skip
    daemon.script("GET", BACKFILLS, Scripted(data={"backfills": [one]}), Scripted(data={"backfills": []}))
    ended = await backfilld("backfills", "watch")

    assert 0 == ended.code, ended.err
    assert "6f1c1a34  running  1/4 (25%)  0  nights" in ended.out
    assert "Nothing is active any more." in ended.out


async def test_watching_all_outlasts_a_daemon_that_starts_anew(
    backfilld: Backfilld, daemon: StubDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOKS_EVERY_SECONDS", 0.0)
    one = {
        "id": ID, "status": "running", "total_entities": 4, "to_run_count": 4, "processed_count": 1, "failed_count": 0,
        "name": "nights", "target_workflow_name": "notify", "status_reason": None,
    }  # fmt: skip
    away = Scripted(raw=b"", hang_up=True)
    daemon.script(
        "GET", BACKFILLS, found_whole(one), away, away, found_whole(one | {"status": "paused"}), found_whole()
    )
    ended = await backfilld("backfills", "watch")
    daemon.script("GET", BACKFILLS, away)
    never = await backfilld("backfills", "watch")

    assert 0 == ended.code, ended.err
    assert ["running", "paused"] == [line.split()[2] for line in ended.out.splitlines()[:2]]
    assert 7 == never.code


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("backfills", "create"), ("--entity-type", "--workflow", "--window", "--max-in-flight")),
        (("keys", "create"), ("--name", "--role")),
        (("backfills", "entity"), ("ID", "ENTITY")),
    ],
)
async def test_all_that_is_missing_is_said_at_once(
    backfilld: Backfilld, arguments: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    ended = await backfilld(*arguments)

    assert 2 == ended.code
    for name in missing:
        assert name in ended.err


async def test_a_login_is_kept_for_oneself_alone_and_used(
    backfilld: Backfilld, daemon: StubDaemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("BACKFILLD_URL")
    monkeypatch.delenv("BACKFILLD_API_KEY")
    daemon.script("GET", "/public-api/workflows", Scripted(data={"workflows": [WORKFLOW]}))
    kept = await backfilld("login", "--url", daemon.url, stdin="neo_sk_live_mine\n")
    listed = await backfilld("workflows", "list")
    file = tmp_path / "backfilld" / "profiles.toml"
    mode = stat.S_IMODE(file.stat().st_mode)
    file.chmod(0o644)
    refused = await backfilld("workflows", "list")
    file.chmod(0o600)
    forgotten = await backfilld("logout")

    assert (0, 0, 0o600) == (kept.code, listed.code, mode), kept.err
    assert "notify" in listed.out
    assert "Bearer neo_sk_live_mine" == daemon.received[-1].headers["Authorization"]
    assert (2, True) == (refused.code, "chmod 600" in refused.err)
    assert 0 == forgotten.code
    assert not file.exists()


async def test_a_key_that_does_not_work_is_not_kept(
    backfilld: Backfilld, daemon: StubDaemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    daemon.script("GET", "/public-api/workflows", Scripted(401, error={"code": "invalid_token", "message": "unknown"}))
    ended = await backfilld("login", "--url", daemon.url, "--api-key", "neo_sk_live_wrong")

    assert 8 == ended.code
    assert not (tmp_path / "backfilld").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_a_shell_is_taught_to_complete(backfilld: Backfilld, shell: str) -> None:
    ended = await backfilld("completion", shell)

    assert 0 == ended.code
    assert "_BACKFILLD_COMPLETE" in ended.out


def test_every_command_says_at_once_what_is_missing():
    asking = [(path, one) for path, one in commands() if sum(parameter.required for parameter in one.params) > 1]

    assert 8 < len(asking)
    assert [] == [path for path, one in asking if not isinstance(one, WholeCommand)]


SCHEDULE: dict[str, Any] = {
    "id": "4", "project": {"id": "1", "name": "sales"}, "workflow": {"id": "3", "name": "daily"},
    "nextScheduleTime": "2027-03-02T00:00:00+09:00", "nextRunTime": "2027-03-02T00:00:00Z", "disabledAt": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "method", "path", "answer"),
    [
        (("workflows", "disable", "3"), "PATCH", "/public-api/workflows/3", {"workflow": WORKFLOW}),
        (("workflows", "enable", "3"), "PATCH", "/public-api/workflows/3", {"workflow": WORKFLOW}),
        (("workflows", "edit", "3", '{"max_attempts": 4}'), "PATCH", "/public-api/workflows/3", {"workflow": WORKFLOW}),
        (("workflows", "delete", "3", "--yes"), "DELETE", "/public-api/workflows/3", {}),
        (("entities", "delete", "ticket", "7", "--yes"), "DELETE", "/public-api/entities/ticket/7", {}),
        (("schedules", "disable", "4"), "POST", "/api/schedules/4/disable", SCHEDULE),
        (("schedules", "enable", "4"), "POST", "/api/schedules/4/enable", SCHEDULE),
        (("schedules", "skip", "4", "--count", "2"), "POST", "/api/schedules/4/skip", SCHEDULE),
    ],
)
async def test_a_reason_goes_with_what_is_changed(
    backfilld: Backfilld, daemon: StubDaemon, words: tuple[str, ...], method: str, path: str, answer: dict[str, Any]
) -> None:
    daemon.script("GET", "/public-api/workflows/3", Scripted(data={"workflow": WORKFLOW}))
    daemon.script(method, path, Scripted(data=answer) if path.startswith("/public-api") else digdag(answer))
    ended = await backfilld(*words, "--reason", "incident 4711")
    (sent,) = daemon.sent(method, path)

    assert (0, "") == (ended.code, ended.err)
    assert ["incident 4711"] == ([sent.json["reason"]] if sent.body else sent.query["reason"])
