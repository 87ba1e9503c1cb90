"""What commands print fits a terminal of 80 columns, and is a whole line a row in a pipe; tried with every command."""

import asyncio
import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, _NamedTextIOWrapper
from rich.cells import cell_len
from tests.cli.every_command import commands
from tests.cli.exemplary import exemplary_daemon

from backfilld.cli.main import cli
from backfilld.cli.output import printing

WIDTH = 80
ID = "6f1c1d5e-0000-4000-8000-000000000001"
GIVEN = {
    "entity_id": "104242", "entity_type": "ticket", "workflow": "7", "filter_spec": "{}", "max_in_flight": "2",
    "windows": "daily 00:00-24:00", "until": "2027-03-01T12:00:00Z", "time": "2027-03-01T12:00:00Z", "name": "one",
    "target": "https://crm.example", "definition": "{}", "changes": "{}", "statuses": "failed", "engine": "tw",
    "schedule": '{"daily>": "07:00:00"}',
}  # fmt: skip
MORE = {
    ("backfills", "override"): ("--until", "2027-03-01T12:00:00Z"),
    ("backfills", "edit"): ("--max-in-flight", "3"),
    ("schedules", "backfill"): ("--from", "2027-03-01", "--to", "2027-03-04", "--dry-run"),
    ("schedules", "skip"): ("--to", "2027-03-01T12:00:00Z"),
    ("schedules", "mirror"): ("--project", "reports", "--workflow", "daily"),
    ("backfills", "entity"): ("--attributes",),
    ("backfills", "create"): ("--filter", "{}"),
    ("backfills", "preview"): ("--filter", "{}"),
    ("backfills", "delete"): ("--yes",),
    ("entities", "delete"): ("--yes",),
    ("workflows", "delete"): ("--yes",),
}
ENDS = {0, 1, 5, 9}  # as the examples have it: a test that was not passed, failures, nothing that matched
# What asks no daemon, or is no table: each has tests of its own.
ELSEWHERE = {
    ("serve",), ("demo",), ("db", "dump"), ("db", "restore"), ("keys", "create"), ("keys", "list"),
    ("keys", "revoke"), ("migrate",), ("doctor",), ("config", "check"), ("upgrade", "check"), ("upgrade", "switch"),
    ("upgrade", "rollback"), ("upgrade", "prune"), ("login",), ("logout",), ("completion",), ("install-service",),
    ("projects", "check"), ("projects", "push"), ("entities", "import"), ("backfills", "watch"),
    ("backfills", "report"), ("backfills", "clone"), ("attempts", "log"),
}  # fmt: skip
TRIED = {path: command for path, command in commands() if path not in ELSEWHERE}


def words(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    """The command with what it cannot do without."""
    yield from path
    for parameter in command.params:
        if parameter.name == "id" and isinstance(parameter, click.Argument):
            yield "7" if isinstance(parameter.type, click.IntRange) else ID
        elif parameter.required:
            yield from (parameter.opts[0],) if isinstance(parameter, click.Option) else ()
            yield GIVEN[parameter.name]
    yield from MORE.get(path, ())


async def run(path: tuple[str, ...], url: str) -> tuple[int, str]:
    environment = {"BACKFILLD_URL": url, "BACKFILLD_API_KEY": "neo_sk_test_abc", "COLUMNS": str(WIDTH), "TERM": "xterm"}
    runner = CliRunner(env=environment)
    result = await asyncio.to_thread(runner.invoke, cli, list(words(path, TRIED[path])), prog_name="backfilld")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in ENDS, result.output
    return result.exit_code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stdout)


@pytest.fixture(scope="module")
async def url():
    async with exemplary_daemon() as daemon:
        yield daemon.url


@pytest.mark.parametrize("path", TRIED, ids=" ".join)
async def test_nothing_is_wider_than_the_terminal(path, url, monkeypatch):
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda _: True, raising=False)
    _, out = await run(path, url)
    wide = [line for line in out.splitlines() if cell_len(line) > WIDTH]

    assert [] == [line for line in wide if len(line.split()) > 2]  # a name, and one long word, as a path


@pytest.mark.parametrize("path", TRIED, ids=" ".join)
async def test_a_row_is_a_whole_line_in_a_pipe_and_times_have_one_spelling(path, url, monkeypatch):
    tables = []

    def remembered(rows):
        tables.append(rows)
        return lines_of(rows)

    lines_of = printing.whole_lines
    monkeypatch.setattr(printing, "whole_lines", remembered)
    _, out = await run(path, url)
    lines = out.splitlines()

    for rows in tables:
        for row in rows:
            assert any(all(cell in line for cell in row) for line in lines), row
    assert [] == [cell for rows in tables for row in rows for cell in row if cell.endswith("…")]
    assert [] == re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d\S*", re.sub(r"[{\[].*[}\]]", "", out))
