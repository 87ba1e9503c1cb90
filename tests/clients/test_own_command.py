"""Our own command line against a daemon: a schedule that somebody has pushed, run for past days."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.daemon import DaemonProcess

Backfilld = Callable[..., Awaitable[str]]
TODAY = datetime.now(ZoneInfo("Asia/Tokyo"))  # one day for all, whatever the hour


@pytest.fixture
def backfilld(daemon: DaemonProcess) -> Backfilld:
    async def run(*arguments: str) -> str:
        """What it printed."""
        asking = ("--url", daemon.url, "--api-key", str(daemon.api_key))
        code, output, errors = await daemon.run_command(*arguments, *asking)
        assert 0 == code, errors

        return output

    return run


@pytest.fixture
async def schedule(backfilld: Backfilld, project: Path) -> str:
    """Its id."""
    await backfilld("projects", "push", project.name, str(project))
    listed = json.loads(await backfilld("schedules", "list", "--json"))["schedules"]
    (id,) = [one["id"] for one in listed if one["project"]["name"] == project.name]
    return str(id)


def tokyo(days: int) -> str:
    return f"{TODAY + timedelta(days=days):%Y-%m-%d}"


async def test_a_backfill_is_watched_and_then_left_out_of_the_next(backfilld, schedule):
    since = ("schedules", "backfill", schedule, "--from", tokyo(-4))
    watched = await backfilld(*since, "--to", tokyo(-2), "--name", "again", "--watch")
    dry = await backfilld(*since, "--count", "3", "--skip-existing", "--dry-run")
    attempts = json.loads(await backfilld("attempts", "list", "--json"))["attempts"]
    rows = [line.split("  ")[:2] for line in dry.splitlines()[1:]]

    assert "completed in" in watched
    assert [f"{tokyo(day)} 00:00:00 +0900" for day in (-4, -3, -2)] == [session for session, _ in rows]
    assert ["left out: it has an attempt (success)"] * 2 + ["queued"] == [what for _, what in rows]
    assert f"it was {tokyo(-3)}\n" == await backfilld("attempts", "log", attempts[0]["id"])


async def test_a_schedule_is_disabled_skipped_and_enabled(backfilld, schedule):
    await backfilld("schedules", "disable", schedule)
    disabled = json.loads(await backfilld("schedules", "show", schedule, "--json"))
    await backfilld("schedules", "skip", schedule, "--to", tokyo(5))
    await backfilld("schedules", "enable", schedule)
    shown = await backfilld("schedules", "show", schedule)

    assert '"disabledAt": "' in json.dumps(disabled)
    assert f"{tokyo(5)} 00:00:00 +0900" in shown
