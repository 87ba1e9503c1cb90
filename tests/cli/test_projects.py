"""`projects check` says what a push would say, and `projects push` sends what was checked."""

import gzip
import io
import tarfile
from pathlib import Path

import orjson
import pytest
from tests.cli.conftest import Backfilld
from tests.support.stub_daemon import Scripted, StubDaemon

OK = "schedule:\n  daily>: 07:00:00\n+t:\n  http>: http://127.0.0.1:1/${session_date}\n  method: POST\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sales"
    folder.mkdir()
    (folder / "daily.dig").write_text(OK)
    (folder / ".hidden.dig").write_text("[")
    return folder


async def test_a_project_that_is_all_right_is_named(backfilld: Backfilld, folder: Path) -> None:
    ended = await backfilld("projects", "check", str(folder))

    assert (0, "") == (ended.code, ended.err)
    assert "daily" in ended.out


async def test_every_fault_is_a_line_with_file_and_number(backfilld: Backfilld, folder: Path) -> None:
    (folder / "b.dig").write_text("+t:\n  py>: x\n")
    (folder / "c.dig").write_text("+t:\n  echo>: hi\n  foo: 1\n")
    ended = await backfilld("projects", "check", str(folder))

    assert (1, "") == (ended.code, ended.out)
    assert ["b.dig:2", "c.dig:3"] == [line.split(": ")[0] for line in ended.err.splitlines()]


async def test_the_faults_are_there_as_json(backfilld: Backfilld, folder: Path) -> None:
    (folder / "b.dig").write_text("+t:\n  sh>: ls\n")
    ended = await backfilld("projects", "check", str(folder), "--json")

    assert 1 == ended.code
    assert (False, "b.dig", 2) == (ended.json["ok"], ended.json["faults"][0]["file"], ended.json["faults"][0]["line"])


async def test_the_configuration_says_what_is_allowed(backfilld: Backfilld, folder: Path, tmp_path: Path) -> None:
    (folder / "b.dig").write_text("+t:\n  sh>: ls\n")
    config = tmp_path / "config.toml"
    config.write_text('[executors]\ndefinable_by_api = ["http", "command"]\n')
    ended = await backfilld("projects", "check", str(folder), "--config", str(config))

    assert 0 == ended.code, ended.err


async def test_a_push_sends_the_folder_without_what_is_hidden(
    backfilld: Backfilld, daemon: StubDaemon, folder: Path
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "query.sql").write_text("SELECT 1")
    answer = orjson.dumps({"id": "7", "name": "sales", "revision": "r1"})
    daemon.script("PUT", "/api/projects", Scripted(raw=answer))
    ended = await backfilld("projects", "push", "sales", str(folder), "--revision", "r1")
    (request,) = daemon.sent("PUT", "/api/projects")

    assert 0 == ended.code, ended.err
    assert {"project": ["sales"], "revision": ["r1"]} == request.query
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(request.body))) as tar:
        assert ["daily.dig", "sub/query.sql"] == tar.getnames()


async def test_a_push_that_is_refused_shows_every_line(backfilld: Backfilld, daemon: StubDaemon, folder: Path) -> None:
    body = orjson.dumps({"message": "a.dig:1: no\nb.dig:2: no", "status": 400})
    daemon.script("PUT", "/api/projects", Scripted(status=400, raw=body))
    ended = await backfilld("projects", "push", "sales", str(folder))

    assert 2 == ended.code
    assert "a.dig:1: no\nb.dig:2: no" in ended.err
