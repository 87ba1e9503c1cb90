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

    assert 1 == ended.code
    assert ["b.dig:2", "c.dig:3"] == [line.split(": ")[0] for line in ended.err.splitlines()]


LARGE = """+load:
  _parallel: true
  +a: {td>: a.sql, engine: presto}
  +b: {td>: b.sql}
  +c: {http_call>: "http://127.0.0.1/x"}
+each:
  for_each>: {x: [1, 2]}
  _do:
    +d: {py>: "a.b", arg: "${x + 1}"}
    _error: {mail>: text}
+end: {echo>: "${session_date} ${x}"}
"""


async def test_everything_that_a_file_needs_is_said_once_with_what_to_do(backfilld: Backfilld, folder: Path) -> None:
    (folder / "large.dig").write_text(LARGE)
    (folder / "broken.dig").write_text("[")
    said = await backfilld("projects", "check", str(folder))
    as_json = await backfilld("projects", "check", str(folder), "--json")
    named = [line for line in said.err.splitlines() if "does not run here" in line]
    files = {each["file"]: each for each in as_json.json["files"]}
    rows = {line.split()[0]: line for line in said.out.splitlines()}

    assert (1, 1) == (said.code, as_json.code)
    assert ["td>", "http_call>", "for_each>", "py>", "mail>"] == [line.split("'")[1] for line in named]
    assert not [line for line in named if "did you mean" in line]
    assert {"td>": 2, "http_call>": 1, "for_each>": 1, "py>": 1, "mail>": 1} == files["large.dig"]["operators"]
    assert ["_parallel", "_error", "_do", "expressions in ${…}"] == files["large.dig"]["others"]
    assert [True, False, False] == [files[name]["runs_here"] for name in ("daily.dig", "large.dig", "broken.dig")]
    assert "no" in rows["large.dig"]
    assert "td> (2 times), http_call>, for_each>, py>, mail>" in rows["large.dig"]
    assert "a file that can be read" in rows["broken.dig"]
    assert "1 of 3 run here." in said.out
    assert "one service" in said.out
    assert "stay where it runs now" in as_json.json["advice"]


async def test_files_exports_and_options_are_said_of_every_task(backfilld: Backfilld, folder: Path) -> None:
    (folder / "tasks").mkdir()
    (folder / "tasks" / "run.sh").write_text("ls")
    (folder / "b.dig").write_text("""
_export: {docker: {image: x}, day: 1}
+a: {http>: "http://127.0.0.1/x", query: {a: 1}, headers: {A: b}}
+b: {sh>: "tasks/run.sh ${day}", shell: bash}
+c: {sh>: tasks/run.sh}
""")
    ended = await backfilld("projects", "check", str(folder), "--json")
    (needs,) = (each for each in ended.json["files"] if each["file"] == "b.dig")

    assert (3, {}) == (needs["tasks"], needs["operators"])
    assert [
        "'query' of 'http>'", "'shell' of 'sh>'", "'docker' in '_export'", "the file tasks/run.sh"
    ] == needs["others"]  # fmt: skip


async def test_what_a_project_needs_is_not_asked_where_all_of_it_runs(backfilld: Backfilld, folder: Path) -> None:
    ended = await backfilld("projects", "check", str(folder), "--json")
    expected = {"file": "daily.dig", "runs_here": True, "tasks": 1, "operators": {}, "others": []}

    assert (0, [expected]) == (ended.code, ended.json["files"])


async def test_a_script_that_is_a_file_of_the_project_is_named(
    backfilld: Backfilld, folder: Path, tmp_path: Path
) -> None:
    (folder / "tasks").mkdir()
    (folder / "tasks" / "run.sh").write_text("ls")
    (folder / "b.dig").write_text("+t:\n  sh>: tasks/run.sh\n")
    config = tmp_path / "config.toml"
    config.write_text('[executors]\ndefinable_by_api = ["http", "command"]\n')
    ended = await backfilld("projects", "check", str(folder), "--config", str(config))

    assert 1 == ended.code
    assert "b.dig:2: 'tasks/run.sh' is a file of the project" in ended.err


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
