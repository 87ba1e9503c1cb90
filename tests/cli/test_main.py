"""The command as a whole: it starts at once, and every word of it can be reached."""

import json
import subprocess
import sys

import pytest

from backfilld import __version__
from backfilld.cli.main import COMMANDS

HEAVY = ("aiohttp", "asyncpg", "pydantic", "rich", "structlog", "uvloop")


async def test_the_version_is_told(backfilld):
    ended = await backfilld("--version")

    assert f"backfilld {__version__}\n" == ended.out


def test_python_dash_m_is_the_same_command():
    ended = subprocess.run([sys.executable, "-m", "backfilld", "--version"], capture_output=True, text=True, check=True)

    assert f"backfilld {__version__}\n" == ended.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["backfills", "create", "--help"], ["keys", "create", "--help"]])
def test_help_is_not_made_to_wait_for_libraries(arguments):
    script = (
        "import sys; from backfilld.cli.main import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "[]" == ended.stderr.strip()


async def test_help_names_every_command_and_exit_code(backfilld):
    ended = await backfilld("--help")

    assert [] == [name for name in COMMANDS if f"\n  {name} " not in ended.out]
    assert "5 completed with failures" in " ".join(ended.out.split())


async def test_an_unknown_command_is_a_usage_error(backfilld):
    ended = await backfilld("backfils")

    assert 2 == ended.code


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "create", "--json", "--name", "x", "--role", "boss"),
        ("keys", "create", "--name", "x", "--json"),
        ("workflows", "list", "--json", "--urll", "x"),
        ("backfills", "show", "--json"),
    ],
)
async def test_usage_errors_are_json_as_well_for_who_wants_that(backfilld, monkeypatch, words):
    monkeypatch.setattr(sys, "argv", ["backfilld", *words])
    ended = await backfilld(*words)

    assert (2, "") == (ended.code, ended.out)
    assert "usage" == json.loads(ended.err)["error"]["code"]


async def test_words_can_be_completed(backfilld, monkeypatch):
    monkeypatch.setenv("_BACKFILLD_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "backfilld backfills re")
    monkeypatch.setenv("COMP_CWORD", "2")
    ended = await backfilld()

    assert ["plain,report", "plain,rerun", "plain,rerun-failed", "plain,resume"] == ended.out.split()
