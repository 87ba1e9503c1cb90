"""digdag's own command line, as it comes, against a daemon: pushed by it, run by it, shown by it."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.daemon import DaemonProcess
from tests.support.database import scratch_folder

pytestmark = pytest.mark.clients
INSTALLED = Path(__file__).parents[2] / ".venv" / "digdag"
# The libraries that it brings are older than the walls around java.lang.
JAVA = ("java", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp", f"{INSTALLED}/stubs:{INSTALLED}/lib/*")
PATIENCE_SECONDS = 120
TODAY = datetime.now(ZoneInfo("Asia/Tokyo"))  # one day for all, whatever the hour


@dataclass(frozen=True)
class Digdag:
    """The command, as one user has set it up in the file that `-c` names."""

    home: Path

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it printed; `code` is how it must end."""
        ended = subprocess.run(
            [*JAVA, "io.digdag.cli.Main", *arguments, "-c", str(self.home / "config")],
            check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS, cwd=self.home,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"], "TZ": "UTC"},
        )  # fmt: skip
        printed = ended.stdout + ended.stderr
        assert code == ended.returncode, printed

        return printed


@pytest.fixture
def digdag(daemon: DaemonProcess) -> Iterator[Digdag]:
    with scratch_folder() as home:
        (home / "config").write_text(
            f"client.http.endpoint = {daemon.url}\nclient.http.headers.authorization = TD1 {daemon.api_key}\n"
        )
        yield Digdag(home)


@pytest.fixture
def pushed(digdag: Digdag, project: Path) -> str:
    """Its name."""
    digdag("push", project.name, "--project", str(project), "--revision", "r1")
    return project.name


def midnight(days: int) -> str:
    """In the zone of the workflow, so many days from now; as digdag prints it."""
    return f"{TODAY + timedelta(days=days):%Y-%m-%d} 00:00:00 +0900"


def values(printed: str, name: str) -> list[str]:
    """Of all fields called `name`."""
    return re.findall(rf"^ *{name}: *(.*)$", printed, re.MULTILINE)


def shown_as(digdag: Digdag, id: str, status: str) -> str:
    """What is printed of an attempt once it has this status."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while values(printed := digdag("attempt", id), "status") != [status]:
        assert time.monotonic() < deadline, printed
    return printed


def test_a_push_is_listed_downloaded_and_deleted(digdag, pushed):
    schedules = digdag("schedules")
    digdag("secrets", "--project", pushed, "--set", "token=t0p")
    secrets = digdag("secrets", "--project", pushed)

    assert {"daily", "failing", "lengthy"} < set(digdag("workflows", pushed).split())
    assert (pushed, "daily") in zip(values(schedules, "project"), values(schedules, "workflow"), strict=True)
    assert "token" in secrets
    assert "t0p" not in secrets
    assert f"{pushed}/daily.dig" in digdag("download", pushed)
    assert "is deleted" in digdag("delete", pushed, "--force")
    assert pushed not in values(digdag("projects"), "name")


def test_a_push_of_what_does_not_run_here_prints_the_line(digdag, project):
    (project / "daily.dig").write_text("+load:\n  td>: queries/sales.sql\n")
    printed = digdag("push", project.name, "--project", str(project), code=1)

    assert "daily.dig:2: the operator 'td>' does not run here" in printed


def test_a_backfill_is_tried_run_and_shown(digdag, pushed):
    since = ("backfill", pushed, "daily", "--from", midnight(-3)[:19])
    dry = digdag(*since, "--count", "2", "--dry-run")
    made = digdag(*since, "--name", "again", "--count", "2")
    again = digdag(*since, "--name", "again", code=1)
    first, last = values(made, "id")
    shown = shown_as(digdag, last, "success")
    sessions = digdag("sessions", pushed, "daily")

    assert [midnight(-3), midnight(-2)] == values(dry, "session time") == values(made, "session time")
    assert ["0", "0"] == values(dry, "id")
    assert ["again", "again"] == values(made, "retry attempt name")
    assert "Request conflicted" in again
    assert [midnight(-2)] == values(shown, "session time")
    assert {first, last} == set(values(sessions, "attempt id"))
    assert [first] == values(digdag("attempts", values(sessions, "session id")[0]), "attempt id")
    assert ["success"] == values(digdag("tasks", first), "state")
    assert f"it was {midnight(-3)[:10]}" in digdag("log", first)


def test_a_schedule_is_moved_by_reschedule(digdag, pushed):
    dry = digdag("reschedule", pushed, "daily", "--skip", "2", "--dry-run")
    moved = digdag("reschedule", pushed, "daily", "--skip-to", midnight(9))
    (id,) = values(moved, "id")
    back = digdag("reschedule", id, "--skip-to", midnight(1), code=1)
    run_at = digdag("reschedule", id, "--skip-to", midnight(12), "--run-at", midnight(13))

    assert "Schedule is not updated" in dry
    assert [midnight(9)] == values(moved, "next session time")
    assert "already past" in back
    assert [midnight(12)] == values(run_at, "next session time")


def test_schedules_are_disabled_and_enabled_by_project_workflow_and_id(digdag, pushed):
    (id,) = re.findall(r"Disabled schedule id: (\d+)", digdag("disable", pushed))

    assert f"Enabled schedule id: {id}" in digdag("enable", pushed, "daily")
    assert f"Disabled schedule id: {id}" in digdag("disable", id)
    assert any(values(digdag("schedules"), "disabled at"))


def test_attempts_are_started_killed_and_tried_again(digdag, pushed):
    start = ("start", pushed, "lengthy", "--session", "2027-03-01")
    (id,) = values(digdag(*start, "-p", "seconds=600"), "attempt id")
    again = digdag(*start, code=1)
    digdag("kill", id)
    killed = shown_as(digdag, id, "error")  # a killed attempt is one to this command
    retried = digdag(*start, "-p", "seconds=0", "--retry", "by-hand")
    (retry,) = values(digdag("retry", values(retried, "attempt id")[0], "--latest-revision", "--all"), "attempt id")
    resumed = digdag("retry", id, "--latest-revision", "--resume", "--name", "resumed")  # with the params it had
    digdag("kill", values(resumed, "attempt id")[0])

    assert ["true"] == values(killed, "kill requested")
    assert "already" in again
    assert id in again
    assert ["by-hand"] == values(retried, "retry attempt name")
    assert ["2027-03-01 00:00:00 +0000"] == values(shown_as(digdag, retry, "success"), "session time")
    assert ["resumed"] == values(resumed, "retry attempt name")


def test_a_key_in_a_header_will_do_and_none_is_refused(digdag, pushed, daemon):
    digdag.home.joinpath("config").write_text("")
    refused = digdag("schedules", "-e", daemon.url, code=1)

    assert "401" in refused
    assert pushed in digdag("schedules", "-e", daemon.url, "-H", f"Authorization=TD1 {daemon.api_key}")
