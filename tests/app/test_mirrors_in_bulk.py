"""Many mirrored schedules at once, from the command line: made known, looked at, run as shown, and steered by name."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from tests.app.test_mirrors import Pair
from tests.app.test_mirrors import pair as pair
from tests.support.waiting import eventually

from backfilld.cli.main import cli


async def command(pair: Pair, *words: str, code: int = 0) -> Any:
    """The document that a command prints."""
    words = (*words, "--url", pair.url, "--api-key", pair.key, "--json")
    result = await asyncio.to_thread(CliRunner().invoke, cli, list(words))

    assert code == result.exit_code, result.output
    return json.loads(result.stdout.splitlines()[-1])  # the daemons in this process write there, too


@pytest.fixture
async def all_of_them(pair: Pair) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await command(pair, "schedules", "mirror", "--engine", "wf", "--all"))["mirrors"]
    return found


async def test_every_schedule_of_an_engine_is_mirrored_and_those_that_are_stay(
    pair: Pair, all_of_them: list[dict[str, Any]]
) -> None:
    again = await command(pair, "schedules", "mirror", "--engine", "wf", "--project", "reports")

    assert ["daily", "weekly"] == [one["workflow"] for one in all_of_them]
    assert {None} == {one["problem"] for one in all_of_them}
    assert all_of_them == again["mirrors"]
    assert pair.schedule == all_of_them[0]["schedule_id"]


async def test_what_failed_or_is_missing_is_shown_by_day_and_run_as_shown(
    pair: Pair, all_of_them: list[dict[str, Any]]
) -> None:
    stands = datetime.fromisoformat((await pair.there.digdag.get_schedule(pair.schedule_there))["nextScheduleTime"])
    days = [(stands - timedelta(days=back)).isoformat()[:10] for back in (3, 2, 1)]
    pair.ends[days[0]] = "failed"
    for back in (3, 2):
        await pair.start_there(back)
    pair.ends.clear()
    pair.ran.clear()
    asked = ["schedules", "backfill", "--all", "--from", days[0], "--skip-succeeded", "--name", "repair"]
    shown = (await command(pair, *asked, "--dry-run"))["schedules"]
    made = (await command(pair, *asked, "--yes"))["backfills"]
    [daily] = [one for one in shown if one["workflow"] == "reports/daily"]
    for one in made:
        await pair.ended(one["backfillId"])
    left = (await command(pair, *asked[:-1], "again", "--dry-run"))["schedules"]

    assert {days[0]: {"failed": 1}, days[1]: {"ok": 1}, days[2]: {"missing": 1}} == daily["days"]
    assert sum(one["to_run"] for one in shown) == sum(one["sessions"] for one in made)
    assert [days[0], days[2]] == [one[:10] for one in pair.ran]
    assert {0} == {one["to_run"] for one in left}


async def test_backfills_of_one_name_are_steered_together(pair: Pair) -> None:
    pair.ends["hold"] = "yes"
    made = [await pair.backfill(1, attemptName=name) for name in ("repair", "other")]
    await eventually(lambda: len(pair.ran) == 2)
    paused = (await command(pair, "backfills", "pause", "--name", "repair", "--yes"))["backfills"]
    held = (await command(pair, "backfills", "cancel", "--reason-code", "paused_by_user", "--yes"))["backfills"]
    statuses = [(await pair.here.get_backfill(one["backfillId"]))["backfill"]["status"] for one in made]
    refused = await asyncio.to_thread(CliRunner().invoke, cli, ["backfills", "pause", "X", "--name", "repair"])
    for one in made:
        await pair.here.cancel_backfill(one["backfillId"], in_flight="cancel")

    assert [made[0]["backfillId"]] == [one["id"] for one in paused] == [one["id"] for one in held]
    assert ["cancelling", "running"] == statuses
    assert 2 == refused.exit_code
