"""`backfilld doctor`: each thing that can be broken is broken, and named with what to do about it."""

import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.conftest import Backfilld, Ended
from tests.support.database import Databases
from tests.support.stub_daemon import StubDaemon, digdag

from backfilld import __version__
from backfilld.cli.doctor import machine
from backfilld.store.migrate import migrate

Doctor = Callable[..., Any]
SQL_TYPE = """
[secrets.crm]
value = "postgresql://nobody@127.0.0.1:1/crm"
[entity_types.ticket]
source = "sql"
[entity_types.ticket.sql]
dsn = { secret = "crm" }
query = "SELECT id::text AS id FROM tickets"
"""
TARGET = """
[[workflows]]
name = "notify"
executor = { type = "http", url = "http://127.0.0.1:1/notify" }
"""


@pytest.fixture
async def doctor(backfilld: Backfilld, dsn: str, tmp_path: Path) -> Doctor:
    """On a migrated database and a state folder of its own; `text` is added to the configuration."""
    await migrate(dsn)
    (tmp_path / "state").mkdir(mode=0o700)
    file = tmp_path / "backfilld.toml"
    file.touch(mode=0o600)

    async def run(text: str = "", *, database: str = f'dsn = "{dsn}"', server: str = "port = 0") -> Ended:
        state = tmp_path / "state"
        file.write_text(f'[database]\n{database}\n[state]\ndirectory = "{state}"\n[server]\n{server}\n{text}')
        return await backfilld("doctor", "--config", str(file), "--json")

    return run


def found(ended: Ended, what: str, state: str) -> dict[str, Any]:
    """The finding of that kind, which must say what to do."""
    matching = [one for one in ended.json["findings"] if (one["what"], one["state"]) == (what, state)]

    assert matching, ended.json
    assert matching[0]["do"]
    return dict(matching[0])


async def test_where_nothing_is_wrong_the_code_is_zero(doctor: Doctor, backfilld: Backfilld, tmp_path: Path) -> None:
    ended = await doctor()
    for_people = await backfilld("doctor", "--config", str(tmp_path / "backfilld.toml"))

    assert (0, True) == (ended.code, ended.json["ok"])
    assert {"config", "database", "schema", "clock", "time zones", "disk", "state", "versions", "address"} <= {
        one["what"] for one in ended.json["findings"] if one["state"] == "ok"
    }
    assert 0 == for_people.code
    assert "-> `backfilld serve`" in for_people.out  # no daemon runs: a warning


@pytest.mark.parametrize(
    ("settings", "what", "words"),
    [
        ({"text": "[engine]\nnonsense = 1"}, "config", "engine.nonsense"),
        ({"database": 'dsn = "postgresql://nobody@127.0.0.1:1/x"'}, "database", "does not answer"),
        ({"database": 'dsn_file = "/nowhere/dsn"'}, "config", "database.dsn_file"),
    ],
)
async def test_what_keeps_a_daemon_from_working_is_code_10(
    doctor: Doctor, settings: dict[str, str], what: str, words: str
) -> None:
    ended = await doctor(**settings)

    assert (10, False) == (ended.code, ended.json["ok"])
    assert words in found(ended, what, "problem")["found"]


async def test_a_taken_address_is_named(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await doctor(server=f"port = {port}")

    assert 10 == ended.code
    assert f"127.0.0.1:{port} cannot be used" in found(ended, "address", "problem")["found"]


@pytest.mark.parametrize(
    ("text", "what", "words"),
    [(TARGET, "target", "http://127.0.0.1:1: "), (SQL_TYPE, "source", "ticket: ")],
)
async def test_what_stands_around_and_is_away_is_code_1(doctor: Doctor, text: str, what: str, words: str) -> None:
    ended = await doctor(text)

    assert 1 == ended.code
    assert words in found(ended, what, "problem")["found"]


async def test_a_target_that_listens_is_well_and_gets_nothing(doctor: Doctor, daemon: StubDaemon) -> None:
    ended = await doctor(TARGET.replace("http://127.0.0.1:1", daemon.url))

    assert 0 == ended.code
    assert "takes connections (used by notify)" in str(ended.json)
    assert [] == daemon.received


async def test_a_database_without_the_schema_is_a_warning(doctor: Doctor, databases: Databases) -> None:
    async with databases.database("template1") as empty:
        ended = await doctor(database=f'dsn = "{empty}"')

    assert 0 == ended.code
    assert "migrations are missing" in found(ended, "schema", "warning")["found"]


async def test_a_folder_that_others_look_into_and_a_file_that_others_change(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "state").chmod(0o755)
    (tmp_path / "backfilld.toml").chmod(0o666)
    ended = await doctor()

    assert 1 == ended.code
    assert "mode 755" in found(ended, "state", "warning")["found"]
    assert "chmod o-w" in found(ended, "file modes", "problem")["do"]


async def test_a_state_folder_that_is_none(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "state").rmdir()
    (tmp_path / "state").touch()
    ended = await doctor()

    assert 10 == ended.code
    assert "is not a folder" in found(ended, "state", "problem")["found"]


@pytest.mark.parametrize(("free", "code"), [(10_000_000, 10), (50_000_000_000, 0)])
async def test_a_full_disk(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, free: int, code: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**11, used=10**11 - free, free=free))
    ended = await doctor()

    assert code == ended.code


@pytest.mark.parametrize(
    ("ready", "version", "code", "state", "words"),
    [
        ({"checks": {"database": {"ok": True, "message": None}}}, __version__, 0, None, ""),
        (
            {"checks": {"database": {"ok": False, "message": "no disk"}}},
            __version__,
            10,
            "problem",
            "database: no disk",
        ),
        ({"checks": {}}, "0.0.1", 0, None, ""),
        ({"checks": {}, "stopped_since": "2027-03-14T07:00:00Z"}, __version__, 0, "warning", "everything is stopped"),
    ],
)
async def test_a_daemon_that_runs_is_asked(
    doctor: Doctor, daemon: StubDaemon, tmp_path: Path, ready: Any, version: str, code: int, state: Any, words: str
) -> None:
    daemon.script("GET", "/readyz", digdag(ready))
    daemon.script("GET", "/healthz", digdag({"version": version}))
    (tmp_path / "state" / "address").write_text(daemon.url)
    ended = await doctor()

    assert code == ended.code, ended.json
    if state is not None:
        assert words in found(ended, "daemon", state)["found"]


async def test_a_daemon_that_was_killed_left_its_address_behind(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "state" / "address").write_text("http://127.0.0.1:1")
    ended = await doctor()

    assert 10 == ended.code
    assert "does not answer" in found(ended, "daemon", "problem")["found"]


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "ok"), (1.9, "ok"), (-2, "warning"), (29, "warning"), (30, "problem")]
)
def test_clocks_are_compared(seconds: float, state: str) -> None:
    now = datetime(2027, 3, 1, tzinfo=UTC)

    assert state == machine.compared("the database", now, now + timedelta(seconds=seconds)).state


@pytest.mark.parametrize(("year", "state"), [(2026, "ok"), (2040, "warning")])
def test_rules_of_zones_grow_old(year: int, state: str) -> None:
    assert state == machine.zones(datetime(year, 12, 1, tzinfo=UTC)).state


def test_a_time_server_that_was_not_reached_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SYSTEMD", "TIMESYNC"):
        monkeypatch.setattr(machine, name, tmp_path)
    monkeypatch.setattr(machine, "SYNCHRONISED", tmp_path / "synchronized")
    before = machine.clock().state
    (tmp_path / "synchronized").touch()

    assert ("warning", "ok") == (before, machine.clock().state)
