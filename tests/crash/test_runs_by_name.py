"""Runs on an engine with a REST API: each try is one run there, whoever is killed, and whenever."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.crash.mortal import points
from tests.fake_engines.airflow import TOKEN, Airflow
from tests.fake_engines.killable import KillableServer
from tests.support.daemon import DaemonProcess
from tests.support.waiting import eventually

from backfilld.client import ServerUnreachable
from backfilld.crash_points import VARIABLE, Point

ITEMS = [f"T{number:02}" for number in range(12)]


class Server(KillableServer):
    """An Airflow that can be killed: its runs are kept, and go on."""

    def __init__(self) -> None:
        self.airflow = Airflow(looks=3)
        super().__init__(self.airflow)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
def runs(daemon: DaemonProcess, server: Server, scratch: Any) -> DaemonProcess:
    """The daemon, with a workflow that runs there."""
    (scratch / "token").write_text(TOKEN)
    there = f"http://127.0.0.1:{server.port}/api/v2/dags/enrich/dagRuns"
    executor = {
        "url": there,
        "headers": {"Authorization": {"secret": "airflow"}},
        "request": {
            "body": {"dag_run_id": "${run_name}", "logical_date": "${null}", "conf": {"ticket": "${entity.id}"}}
        },
        "attach_on": [409],
        "completion": "poll",
        "poll": {
            "url": there + "/{run_name}",
            "interval_seconds": 0.05,
            "status": "state",
            "succeeded": ["success"],
            "try_again": ["failed"],
        },
        "cancel": {"method": "PATCH", "url": there + "/{run_name}", "body": {"state": "failed"}},
    }
    daemon.configure(
        replace(
            daemon.plan,
            executor=executor,
            secrets={"airflow": scratch / "token"},
            workflow={"max_attempts": 3, "timeout_seconds": 30.0},
        )
    )
    return daemon


async def begun(daemon: DaemonProcess, point: Point | None = None, passes: int = 3, **settings: Any) -> str | None:
    daemon.environment = {} if point is None else {VARIABLE: f"{point}:{passes}"}
    await daemon.start()
    await daemon.upload(ITEMS)
    with suppress(ServerUnreachable):
        return await daemon.create(max_in_flight=4, **settings)
    return None


async def only_backfill(daemon: DaemonProcess) -> str:
    [found] = [str(one["id"]) async for one in daemon.client.every("backfills", "/backfills")]
    return found


KILLED_AT = (Point.GATE_PASSED, Point.TRY_ENDED, Point.RECORDER_BEFORE_COMMIT, Point.RECORDER_AFTER_COMMIT)


@points(Point.GATE_SENT, slow=KILLED_AT)
async def test_a_killed_daemon_starts_nothing_twice(runs: DaemonProcess, server: Server, point: Point) -> None:
    await begun(runs, point)

    assert -signal.SIGKILL == await runs.ended(), runs.tail()

    runs.environment = {}
    await runs.start()
    ended = await runs.ends(await only_backfill(runs))

    assert ("completed", len(ITEMS)) == (ended["status"], ended["succeeded_count"])
    assert (len(ITEMS), len(ITEMS)) == (len(server.airflow.starts), len(set(server.airflow.starts)))


@points(slow=(Point.GATE_SENT, Point.TRY_ENDED, Point.RECORDER_BEFORE_COMMIT))
async def test_tries_that_fail_are_one_run_each_over_kills(runs: DaemonProcess, server: Server, point: Point) -> None:
    server.airflow.ends = ["failed"]
    await begun(runs, point, passes=15)
    await runs.ended()
    runs.environment = {}
    await runs.start()
    ended = await runs.ends(await only_backfill(runs))

    assert ("completed_with_failures", len(ITEMS)) == (ended["status"], ended["failed_count"])
    assert 3 * len(ITEMS) == len(server.airflow.starts)


@pytest.mark.slow
async def test_a_killed_server_is_waited_for_and_its_runs_are_found(runs: DaemonProcess, server: Server) -> None:
    server.airflow.looks = 20
    id = await begun(runs)
    await eventually(lambda: len(server.airflow.starts) >= 4)
    await server.kill()
    await asyncio.sleep(1.0)
    await server.start()
    ended = await runs.ends(str(id))

    assert ("completed", len(ITEMS)) == (ended["status"], ended["succeeded_count"])
    assert len(ITEMS) == len(server.airflow.starts) == len(set(server.airflow.starts))


async def test_a_cancel_that_cuts_off_cancels_there_and_a_restart_does_not(runs: DaemonProcess, server: Server) -> None:
    server.airflow.looks = 10**9
    id = await begun(runs)
    await eventually(lambda: len(server.airflow.starts) == 4)
    await runs.kill()
    server.airflow.asked.clear()
    await runs.start()
    untouched = {run["state"] for run in server.airflow.runs.values()}
    await eventually(lambda: len({one.path for one in server.airflow.asked if one.method == "GET"}) == 4)  # found again
    await runs.client.cancel_backfill(str(id), in_flight="cancel")
    await runs.ends(str(id))
    states = [run["state"] for run in server.airflow.runs.values()]

    assert {"running"} >= untouched - {"queued"}
    assert ["failed"] * 4 == states
