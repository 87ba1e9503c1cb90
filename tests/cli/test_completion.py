"""A shell completes whatever a command names."""

import asyncio
import sys

import click
import orjson
import pytest
from click.testing import CliRunner
from tests.cli.every_command import commands
from tests.support.stub_daemon import Scripted

from backfilld.cli.completion import names
from backfilld.cli.completion.names import completer
from backfilld.cli.main import cli
from backfilld.cli.manual.shared_files import shared_files

BACKFILLS = "/public-api/backfills"
ID = "6f1c1a34-7a8e-4f4e-9a53-2f0d0c3b1e11"
# What nobody but who types it knows, by the name of a parameter.
# Texts, numbers and instants, names that are made up there, JSON, columns of files.
FREE = {
    "reason", "limit", "until", "since", "at", "days", "count", "from_", "to", "step", "wait", "before", "after",
    "time", "next_time", "nextTime", "fromTime", "nextRunTime", "expires_at", "schedule_from", "max_in_flight",
    "sample_size", "max_attempts", "starts_per_minute", "max_credits", "total_estimated", "if_version", "windows",
    "excluded", "excluded_dates", "q", "who", "action", "subject", "created_by", "keep_days", "idempotency_key",
    "revision", "here", "url", "server", "api_key", "user", "grant_to", "filter_spec", "params", "failure_policy",
    "slow_down", "definition", "changes", "schedule", "id_column", "types", "updated_at_column", "nulls", "lists",
    "delimiter",
}  # fmt: skip
NEW_NAMES = {
    ("backfills", "create"), ("backfills", "preview"), ("backfills", "edit"), ("schedules", "backfill"),
    ("attempts", "retry"), ("attempts", "start"), ("keys", "create"),
}  # fmt: skip


def test_whatever_a_command_names_is_completed():
    unknown = [
        (path, parameter.name)
        for path, command in commands()
        for parameter in command.params
        if not isinstance(parameter.type, (click.Choice, click.Path, click.File))
        and not (isinstance(parameter, click.Option) and parameter.is_flag)
        and parameter.name not in FREE
        and not (parameter.name == "name" and path in NEW_NAMES)
        and completer(path, parameter.name) is None
    ]

    assert [] == unknown


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """However slow this machine is."""
    monkeypatch.setattr(names, "SECONDS", 60.0)


async def completed(daemon, *words: str) -> list[str]:
    """What zsh would be offered for the last of the words."""
    line = " ".join(words)
    asked = {
        "_BACKFILLD_COMPLETE": "zsh_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
        "BACKFILLD_URL": daemon.url, "BACKFILLD_API_KEY": "neo_sk_test_abc",
    }  # fmt: skip
    ended = await asyncio.to_thread(CliRunner(env=asked).invoke, cli, [], prog_name="backfilld")
    return ended.stdout.splitlines()


ONE = {"id": ID, "status": "running", "name": "nights", "target_workflow_name": "notify"}
SCHEDULE = {"id": "42", "project": {"name": "reports"}, "workflow": {"name": "daily"}}
WORKFLOW = {"id": 3, "name": "notify", "project": "default"}


ERROR = {"error_class": "http_500", "error_group": "a", "count": 1, "message": "x"}
OFFERS = [
    ("backfills pause 6f", BACKFILLS, {"backfills": [ONE]}, (ID, "running nights")),
    ("backfills pause --name ni", BACKFILLS, {"backfills": [ONE]}, ("nights", "running")),
    ("backfills create --workflow no", "/public-api/workflows", {"workflows": [WORKFLOW]}, ("notify", "default")),
    (f"backfills entities {ID} --error-class ht", f"{BACKFILLS}/{ID}/errors", {"errors": [ERROR]}, ("http_500", "_")),
    (f"backfills entity {ID} 7", f"{BACKFILLS}/{ID}/entities", {"entities": [{"entity_id": "77", "status": "failed"}]},
     ("77", "failed")),
    ("entities show ticket T", "/public-api/entities/ticket", {"entities": [{"id": "T-1"}]}, ("T-1", "_")),
    ("brakes test d", "/public-api/brakes", {"brakes": [{"name": "db_load"}]}, ("db_load", "_")),
    ("engines test d", "/public-api/engines", {"engines": [{"name": "tw", "type": "digdag"}]}, ()),
    ("engines test t", "/public-api/engines", {"engines": [{"name": "tw", "type": "digdag"}]}, ("tw", "digdag")),
]  # fmt: skip


@pytest.mark.parametrize(("words", "path", "data", "offered"), OFFERS)
async def test_names_come_from_the_daemon(daemon, words, path, data, offered):
    daemon.script("GET", path, Scripted(data=data))

    assert (["plain", *offered] if offered else [""]) == await completed(daemon, "backfilld", *words.split())


async def test_ids_of_schedules_come_with_their_workflows(daemon):
    daemon.script("GET", "/api/schedules", Scripted(raw=b'{"schedules": [%s]}' % orjson.dumps(SCHEDULE)))

    assert ["plain", "42", "reports/daily"] == await completed(daemon, "backfilld", "schedules", "show", "4")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("backfills", "create", "--entity-type", "tick"), "ticket"),
        (("windows", "preview", "--timezone", "Europe/Ber"), "Europe/Berlin"),
        (("backfills", "resume", "--reason-code", "sample"), "sample_done"),
        (("backfills", "create", "--reprocess", "com"), "completed"),
    ],
)
async def test_what_is_always_the_same_needs_no_daemon(daemon, words, offered):
    assert ["plain", offered, "_"] == await completed(daemon, "backfilld", *words)


async def test_a_daemon_that_is_away_offers_nothing(daemon):
    assert [""] == await completed(daemon, "backfilld", "backfills", "pause", "6f")


async def test_the_daemon_that_login_has_kept_is_asked(daemon, monkeypatch, tmp_path):
    from backfilld.cli.profiles import Profile, keep

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keep("default", Profile(daemon.url, "neo_sk_test_kept"))
    daemon.script("GET", BACKFILLS, Scripted(data={"backfills": [ONE]}))
    asked = {"_BACKFILLD_COMPLETE": "zsh_complete", "COMP_WORDS": "backfilld backfills pause 6", "COMP_CWORD": "3"}
    asked |= {"BACKFILLD_URL": None, "BACKFILLD_API_KEY": None}
    ended = await asyncio.to_thread(CliRunner(env=asked).invoke, cli, [], prog_name="backfilld")

    assert ID in ended.stdout
    assert "Bearer neo_sk_test_kept" == daemon.received[-1].headers["Authorization"]


PATIENT = """\
#!{python}
from backfilld.__main__ import main
from backfilld.cli.completion import names
names.SECONDS = 60.0
main()
"""


async def test_bash_completes_by_the_script_that_is_installed(daemon, tmp_path):
    daemon.script("GET", BACKFILLS, Scripted(data={"backfills": [ONE]}))
    (tmp_path / "backfilld").write_text(PATIENT.format(python=sys.executable))
    (tmp_path / "backfilld").chmod(0o755)
    (tmp_path / "script").write_text(shared_files()["bash-completion/completions/backfilld"])
    typed = f"""
        source {tmp_path}/script
        COMP_WORDS=(backfilld backfills pause 6f) COMP_CWORD=3
        $(complete -p backfilld | sed 's/.*-F \\([^ ]*\\).*/\\1/') backfilld
        echo "${{COMPREPLY[@]}}"
    """
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "BACKFILLD_URL": daemon.url, "BACKFILLD_API_KEY": "neo_sk_x"}
    process = await asyncio.create_subprocess_exec("bash", "-c", typed, stdout=asyncio.subprocess.PIPE, env=environment)
    out, _ = await process.communicate()

    assert f"{ID}\n" == out.decode()
