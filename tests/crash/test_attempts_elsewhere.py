"""Sessions that run on a digdag server: each is one attempt there, whoever is killed, and whenever."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.crash.mortal import points
from tests.fake_engines.digdag import TOKEN, Digdag
from tests.fake_engines.killable import KillableServer
from tests.support.daemon import DaemonProcess
from tests.support.waiting import eventually

from backfilld.client import ServerUnreachable
from backfilld.crash_points import VARIABLE, Point

SESSIONS = 8
ENGINE = """
[engines.wf]
type = "digdag"
url = "http://127.0.0.1:{port}"
auth = {{ secret = "wf" }}
ask_seconds = 0.1
requests_per_minute = 100000
"""


class Server(KillableServer):
    """A digdag that can be killed: its attempts go on."""

    def __init__(self) -> None:
        self.digdag = Digdag(looks=3)
        super().__init__(self.digdag)

    def is_each_once(self) -> bool:
        return len({one["sessionTime"] for one in self.digdag.attempts}) == len(self.digdag.attempts) == SESSIONS


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def mirroring(daemon: DaemonProcess, server: Server, scratch: Path) -> DaemonProcess:
    (scratch / "key").write_text(TOKEN.removeprefix("TD1 "))
    daemon.configure(replace(daemon.plan, secrets={"wf": scratch / "key"}, more=ENGINE.format(port=server.port)))
    return daemon


async def begun(daemon: DaemonProcess, point: Point | None = None, passes: int = 3) -> None:
    """A backfill of the last sessions there, in a daemon that may die meanwhile."""
    daemon.environment = {} if point is None else {VARIABLE: f"{point}:{passes}"}
    await daemon.start()
    schedule = (await daemon.client.create_mirror("wf", "reports", "daily"))["mirror"]["schedule_id"]
    since = f"2027-02-{29 - SESSIONS}T00:00:00Z"
    body = {"dryRun": False, "fromTime": since, "attemptName": "again", "maxInFlight": 4}
    with suppress(ServerUnreachable):
        await daemon.client.digdag.backfill_schedule(schedule, body)


async def end_of(daemon: DaemonProcess) -> dict[str, Any]:
    [found] = [str(one["id"]) async for one in daemon.client.every("backfills", "/backfills")]
    return await daemon.ends(found)


COMMITS = (Point.RECORDER_BEFORE_COMMIT, Point.RECORDER_AFTER_COMMIT)  # each of several sessions
KILLED_AT = (Point.GATE_PASSED, Point.TRY_ENDED, *COMMITS)


@points(Point.GATE_SENT, slow=KILLED_AT)
async def test_a_killed_daemon_starts_no_session_twice(mirroring: DaemonProcess, server: Server, point: Point) -> None:
    await begun(mirroring, point, passes=1 if point in COMMITS else 3)

    assert -signal.SIGKILL == await mirroring.ended(), mirroring.tail()

    mirroring.environment = {}
    await mirroring.start()
    ended = await end_of(mirroring)

    assert ("completed", SESSIONS) == (ended["status"], ended["succeeded_count"])
    assert server.is_each_once()


@pytest.mark.slow
async def test_a_killed_server_is_waited_for_and_the_reason_says_so(mirroring: DaemonProcess, server: Server) -> None:
    server.digdag.looks = 10**9
    await begun(mirroring)
    await eventually(lambda: len(server.digdag.attempts) == 4)
    await server.kill()
    [id] = [str(one["id"]) async for one in mirroring.client.every("backfills", "/backfills")]

    async def says_why() -> bool:
        reason = (await mirroring.backfill(id))["status_reason"]
        return reason is not None and reason["code"] == "engine_unreachable"

    await eventually(says_why, seconds=20)
    for attempt in server.digdag.attempts:
        attempt["left"] = 1
    server.digdag.looks = 1
    await server.start()
    ended = await end_of(mirroring)

    assert ("completed", SESSIONS) == (ended["status"], ended["succeeded_count"])
    assert server.is_each_once()


@pytest.mark.slow
async def test_daemon_and_server_killed_at_once_lose_nothing(mirroring: DaemonProcess, server: Server) -> None:
    server.digdag.looks = 20
    await begun(mirroring)
    await eventually(lambda: len(server.digdag.attempts) >= 4)
    await asyncio.gather(server.kill(), mirroring.kill())
    await mirroring.start()
    await server.start()
    ended = await end_of(mirroring)

    assert ("completed", SESSIONS) == (ended["status"], ended["succeeded_count"])
    assert server.is_each_once()


async def test_a_pause_leaves_attempts_alone_and_a_cancel_that_cuts_off_kills_them(
    mirroring: DaemonProcess, server: Server
) -> None:
    server.digdag.looks = 10**9
    await begun(mirroring)
    await eventually(lambda: len(server.digdag.attempts) == 4)
    [id] = [str(one["id"]) async for one in mirroring.client.every("backfills", "/backfills")]
    await mirroring.client.pause_backfill(id)
    left_alone = list(server.digdag.killed)
    await mirroring.client.cancel_backfill(id, in_flight="cancel")
    await end_of(mirroring)
    await eventually(lambda: len(server.digdag.killed) == 4)

    assert [] == left_alone
    assert 4 == len(server.digdag.attempts)
