"""Schedules of another server, mirrored: backfills are made here, run there, and go on firing where they did.

The server is a second backfilld, which speaks digdag's dialect.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from tests.support.daemon import key_of
from tests.support.daemon_within import daemon_within
from tests.support.database import Databases
from tests.support.targets import target
from tests.support.waiting import eventually

from backfilld.client import ApiError, Client

BASE = '[server]\nport = 0\n[state]\ndirectory = "{state}"\n[database]\ndsn = "{dsn}"\n[logging]\nlevel = "warning"\n'
THERE = """
[[workflows]]
name = "daily"
project = "reports"
schedule = {{ "daily>" = "07:00:00" }}
[workflows.executor]
type = "http"
url = "{url}/do"
[[workflows]]
name = "weekly"
project = "reports"
schedule = {{ "weekly>" = "Mon,07:00:00" }}
[workflows.executor]
type = "echo"
message = "done"
"""
HERE = """
[secrets.key]
value = "{key}"
[engines.wf]
type = "digdag"
url = "{url}"
auth = {{ secret = "key", scheme = "Bearer" }}
ask_seconds = 0.1
requests_per_minute = 100000
"""


@dataclass
class Pair:
    """Two daemons: `here` mirrors `there`, whose sessions end as `ends` says by their time (else well)."""

    here: Client
    there: Client
    dsn_there: str
    url: str
    key: str
    ends: dict[str, str]
    ran: list[str]
    schedule_there: int = 0
    schedule: int = 0

    async def mirror(self) -> None:
        made = (await self.here.create_mirror("wf", "reports", "daily")).data["mirror"]
        self.schedule, self.schedule_there = made["schedule_id"], int(made["schedule_id_there"])

    async def days_back(self, days: int) -> str:
        """Since when the last so many sessions ran."""
        stands = (await self.there.digdag.get_schedule(self.schedule_there))["nextScheduleTime"]
        since = datetime.fromisoformat(stands) - timedelta(days=days)
        return since.astimezone(UTC).isoformat().replace("+00:00", "Z")

    async def backfill(self, days: int, **options: Any) -> dict[str, Any]:
        body = {"dryRun": False, "fromTime": await self.days_back(days), **options}
        return dict((await self.here.digdag.backfill_schedule(self.schedule, body)).data)

    async def ended(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        async def has_ended() -> bool:
            found.update((await self.here.get_backfill(id))["backfill"])
            return found["status"] in ("completed", "completed_with_failures", "cancelled", "failed")

        await eventually(has_ended, seconds=30)
        return found

    async def attempts_there(self) -> list[dict[str, Any]]:
        """Oldest first."""
        found = [one async for one in self.there.digdag.every("attempts", "/attempts", include_retried="true")]
        return sorted(found, key=lambda one: int(one["id"]))

    async def start_there(self, days: int, name: str | None = None) -> dict[str, Any]:
        """The attempt of the session that ran so many days before the next, ended."""
        stored = (await self.there.digdag.get_schedule(self.schedule_there)).data
        at = datetime.fromisoformat(stored["nextScheduleTime"]) - timedelta(days=days)
        body = {"workflowId": stored["workflow"]["id"], "sessionTime": at.isoformat(), "params": {}}
        made = await self.there.digdag.start_attempt(body if name is None else {**body, "retryAttemptName": name})

        async def is_done() -> bool:
            return bool((await self.there.digdag.get_attempt(int(made["id"])))["done"])

        await eventually(is_done)
        return dict(made.data)


@pytest.fixture
async def pair(databases: Databases, tmp_path: Path) -> AsyncIterator[Pair]:
    ends: dict[str, str] = {}
    ran: list[str] = []
    let_go = asyncio.Event()

    async def do(request: web.Request) -> web.Response:
        session = (await request.json())["session"]["session_time"]
        ran.append(session)
        if "hold" in ends:
            await let_go.wait()
        return web.json_response({"status": ends.get(session[:10], "succeeded"), "message": "as told"})

    async with databases.database() as dsn_here, databases.database() as dsn_there, target(do) as work:
        for name in ("here", "there"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "backfilld.toml").touch(mode=0o600)
        keys = [await key_of(dsn, "admin") for dsn in (dsn_here, dsn_there)]
        text = BASE.format(state=tmp_path / "there" / "state", dsn=dsn_there) + THERE.format(url=work.url)
        async with daemon_within(tmp_path / "there", text) as there:
            text = BASE.format(state=tmp_path / "here" / "state", dsn=dsn_here)
            text += HERE.format(key=keys[1], url=there.url)
            async with (
                daemon_within(tmp_path / "here", text) as here,
                Client(here.url, keys[0]) as ours,
                Client(there.url, keys[1]) as theirs,
            ):
                pair = Pair(ours, theirs, dsn_there, here.url, keys[0], ends, ran)
                await pair.mirror()
                yield pair
        let_go.set()


async def test_a_backfill_of_a_mirrored_schedule_runs_there_one_after_another(pair: Pair) -> None:
    stands = (await pair.there.digdag.get_schedule(pair.schedule_there))["nextScheduleTime"]
    mirrored = await pair.here.digdag.get_schedule(pair.schedule)
    dry = await pair.backfill(3, attemptName="again", dryRun=True)
    made = await pair.backfill(3, attemptName="again")
    ended = await pair.ended(made["backfillId"])
    there = await pair.attempts_there()

    assert stands == mirrored["nextScheduleTime"]
    assert 3 == len(dry["attempts"]) == len(made["attempts"])
    assert ("completed", 3) == (ended["status"], ended["succeeded_count"])
    assert [one["sessionTime"] for one in made["attempts"]] == [one["sessionTime"] for one in there] == pair.ran
    assert {("again", True)} == {(one["retryAttemptName"], one["success"]) for one in there}


async def test_a_session_that_fails_there_fails_here_and_a_rerun_is_another_attempt_there(pair: Pair) -> None:
    stands = (await pair.there.digdag.get_schedule(pair.schedule_there))["nextScheduleTime"]
    bad = (datetime.fromisoformat(stands) - timedelta(days=2)).isoformat()[:10]
    pair.ends[bad] = "failed"
    made = await pair.backfill(3, attemptName="again")
    first = await pair.ended(made["backfillId"])
    errors = (await pair.here.list_errors(made["backfillId"]))["errors"]
    pair.ends.clear()
    child = (await pair.here.rerun_failed(made["backfillId"]))["backfill"]
    second = await pair.ended(child["id"])
    there = await pair.attempts_there()

    assert ("completed_with_failures", 1) == (first["status"], first["failed_count"])
    assert ["attempt_failed"] == [one["error_class"] for one in errors]
    assert ("completed", 1) == (second["status"], second["succeeded_count"])
    assert ["again"] * 3 + ["again:rerun-1"] == [one["retryAttemptName"] for one in there]


async def test_a_name_that_is_in_use_there_is_refused_and_nothing_is_made(pair: Pair) -> None:
    await pair.start_there(2, "again")
    with pytest.raises(ApiError) as dry:
        await pair.backfill(3, attemptName="again", dryRun=True)
    with pytest.raises(ApiError) as real:
        await pair.backfill(3, attemptName="again")
    made = [one async for one in pair.here.every("backfills", "/backfills")]

    assert (409, 409, []) == (dry.value.status, real.value.status, made)
    assert "Session already has an attempt of this name" in str(real.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"skipExisting": True}, [3, 1]),
        ({"skipSucceeded": True, "attemptName": "again"}, [4, 3, 1]),
    ],
)
async def test_what_is_skipped_is_told_by_the_sessions_there(
    pair: Pair, options: dict[str, Any], expected: list[int]
) -> None:
    stands = datetime.fromisoformat((await pair.there.digdag.get_schedule(pair.schedule_there))["nextScheduleTime"])
    pair.ends[(stands - timedelta(days=4)).isoformat()[:10]] = "failed"
    for days in (4, 2):
        await pair.start_there(days)
    pair.ends.clear()
    pair.ran.clear()
    made = await pair.backfill(4, **options)
    ended = await pair.ended(made["backfillId"])

    assert ("completed", len(expected)) == (ended["status"], ended["succeeded_count"])
    assert [(stands - timedelta(days=days)).isoformat() for days in expected] == pair.ran


async def test_an_advance_moves_the_schedule_there(pair: Pair) -> None:
    schedule = pair.schedule_there
    await pair.there.digdag.disable_schedule(schedule)
    connection = await asyncpg.connect(pair.dsn_there)
    await connection.execute(
        "UPDATE schedules SET next_session_at = next_session_at - interval '3 days',"
        " next_run_at = next_run_at - interval '3 days'"
    )
    await connection.close()
    before = (await pair.there.digdag.get_schedule(schedule))["nextRunTime"]
    body = {"dryRun": False, "advanceSchedule": True, "skipExisting": True}
    made = (await pair.here.digdag.backfill_schedule(pair.schedule, body)).data
    after = (await pair.there.digdag.get_schedule(schedule))["nextRunTime"]
    ended = await pair.ended(made["backfillId"])
    [mirror] = (await pair.here.list_mirrors())["mirrors"]

    assert (3, 3, None) == (len(made["attempts"]), ended["succeeded_count"], mirror["advances_to"])
    assert timedelta(days=3) == datetime.fromisoformat(after) - datetime.fromisoformat(before)


async def test_it_fires_and_is_steered_there_alone(pair: Pair) -> None:
    with pytest.raises(ApiError) as disabled:
        await pair.here.digdag.disable_schedule(pair.schedule)
    with pytest.raises(ApiError) as mirrored:
        await pair.here.create_mirror("wf", "reports", "daily", here="other")
    with pytest.raises(ApiError) as unknown:
        await pair.here.create_mirror("wf", "reports", "nightly")

    assert (409, 409, 404) == (disabled.value.status, mirrored.value.status, unknown.value.status)


async def test_a_kill_here_kills_there(pair: Pair) -> None:
    pair.ends["hold"] = "yes"
    made = await pair.backfill(1, attemptName="again")

    async def runs() -> bool:
        return bool(pair.ran)

    await eventually(runs)
    await pair.here.digdag.kill_attempt(int(made["attempts"][0]["id"]))
    await pair.ended(made["backfillId"])

    async def is_killed() -> bool:
        [attempt] = await pair.attempts_there()
        return bool(attempt["status"] == "killed")

    await eventually(is_killed)


async def test_a_forgotten_mirror_can_be_made_again(pair: Pair) -> None:
    [mirror] = (await pair.here.list_mirrors())["mirrors"]
    await pair.here.delete_mirror(mirror["id"])
    gone = (await pair.here.list_mirrors())["mirrors"]
    await pair.mirror()

    assert [] == gone
    assert mirror["workflow_id"] == (await pair.here.list_mirrors())["mirrors"][0]["workflow_id"]


NONSENSE: list[Any] = [
    {"projects": 7},
    {"projects": [{"name": "reports"}]},
    {"projects": [{"id": "1", "name": "reports"}], "schedules": [{"id": "3", "workflow": {"name": "daily"}}],
     "workflows": [{"id": "4", "name": "daily", "config": {"schedule": {"daily>": "07:00:00"}}}]},
]  # fmt: skip


@pytest.mark.parametrize("said", [None, *NONSENSE], ids=str)
async def test_where_the_server_is_away_or_talks_nonsense_nothing_is_made(
    databases: Databases, tmp_path: Path, said: Any
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(said)

    (tmp_path / "backfilld.toml").touch(mode=0o600)
    async with databases.database() as dsn, target(answer) as there:
        key = await key_of(dsn, "admin")
        url = "http://127.0.0.1:1" if said is None else there.url
        text = BASE.format(state=tmp_path / "state", dsn=dsn) + HERE.format(key="x", url=url)
        async with daemon_within(tmp_path, text) as daemon, Client(daemon.url, key) as client:
            with pytest.raises(ApiError) as problem:
                await client.create_mirror("wf", "reports", "daily")
            workflows = [one async for one in client.every("workflows", "/workflows")]

    expected = (404, "not_found") if said == NONSENSE[0] else (503, "engine_unreachable")

    assert (*expected, []) == (problem.value.status, problem.value.code, workflows)
