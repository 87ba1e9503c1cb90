"""Whatever is killed, and whenever: one run per try, and what ended meanwhile is read."""

import asyncio
import signal

import pytest
from tests.crash.accounts import assert_exact
from tests.engines.dev_server import DevServer, WorkerProcess, counted
from tests.support.waiting import eventually

from backfilld.crash_points import VARIABLE, Point

pytestmark = pytest.mark.engines
POINTS = [
    Point.GATE_PASSED,
    Point.GATE_SENT,
    Point.TRY_ENDED,
    Point.RECORDER_BEFORE_COMMIT,
    Point.RECORDER_AFTER_COMMIT,
]


async def test_a_daemon_killed_at_every_step_of_a_try_starts_no_run_twice(server, worker, world_on, dsn):
    world = await world_on(server)
    daemon, count = world.daemon, 120
    await world.upload({f"T{number:03}": {"seconds": 0.3} for number in range(count)})
    id = await world.create(max_in_flight=10)
    await until_in_flight(world, id, 10)
    await daemon.kill()
    for number, point in enumerate(POINTS):
        daemon.environment = {VARIABLE: f"{point}:{3 + number}"}
        await daemon.launch()
        assert -signal.SIGKILL == await daemon.ended(60)
        if number % 2:
            await asyncio.sleep(0.5)  # what was started ends while nobody looks
    daemon.environment = {}
    await daemon.start()
    ended = await daemon.ends(id, seconds=120)
    runs = await server.ended(f"bf_{id}_", count)

    assert ("completed", count) == (ended["status"], ended["succeeded_count"])
    await assert_exact(daemon, dsn, id, planned=count)
    assert {("completed",): count} == counted(runs)


async def test_what_fails_twice_is_three_runs_though_the_daemon_dies_between_them(server, worker, world_on, dsn):
    world = await world_on(server)
    daemon, count = world.daemon, 20
    await world.upload({f"T{number:03}": {"seconds": 0.1, "fail_until": 3} for number in range(count)})
    id = await world.create(max_in_flight=20)
    for _ in range(3):
        await asyncio.sleep(1.5)
        await daemon.kill()
        await daemon.start()
    ended = await daemon.ends(id, seconds=120)
    runs = await server.ended(f"bf_{id}_", count)

    assert ("completed", count) == (ended["status"], ended["succeeded_count"])
    assert {("failed", "failed", "completed"): count} == counted(runs)


async def test_after_a_kill_all_that_were_under_way_are_found_within_seconds(server, worker, world_on):
    world = await world_on(server)
    await world.upload({f"T{number}": {"seconds": 12} for number in range(30)})
    id = await world.create(max_in_flight=30)
    await until_in_flight(world, id, 30)
    await world.daemon.kill()
    await world.daemon.start()
    await until_in_flight(world, id, 30, seconds=10)  # a tenth of a second for each, and what the machine needs
    ended = await world.daemon.ends(id, seconds=60)

    assert ("completed", 30) == (ended["status"], ended["succeeded_count"])
    assert {("completed",): 30} == counted(await server.ended(f"bf_{id}_", 30))


@pytest.mark.parametrize("killed", ["server", "worker", "all three"])
async def test_a_killed_server_or_worker_costs_no_item_a_try(scratch, world_on, dsn, killed):
    server = DevServer(scratch)
    worker = WorkerProcess(scratch, server)
    try:
        await server.start()
        await worker.start()
        world = await world_on(server, engine="no_workers_after_seconds = 2", max_attempts=1)
        count = 60
        await world.upload({f"T{number:03}": {"seconds": 0.5} for number in range(count)})
        id = await world.create(max_in_flight=10)
        await until_in_flight(world, id, 10)
        if killed != "worker":
            server.kill()
        if killed != "server":
            worker.kill()
        if killed == "all three":
            await world.daemon.kill()
            await world.daemon.start()
        if killed != "worker":
            await eventually(lambda: has_reason(world, id, "engine_unreachable"), seconds=30)
            await server.start()
        if killed != "server":
            await worker.start()
        ended = await world.daemon.ends(id, seconds=120)
        runs = await server.ended(f"bf_{id}_", count)

        assert ("completed", count) == (ended["status"], ended["succeeded_count"])
        assert {("completed",): count} == counted(runs)
        await assert_exact(world.daemon, dsn, id, planned=count)
    finally:
        worker.kill()
        server.kill()


async def has_reason(world, id, code) -> bool:
    return code == await world.reason(id)


async def until_in_flight(world, id, count, seconds=30.0):
    async def reached() -> bool:
        return count == (await world.daemon.backfill(id))["in_flight_count"]

    await eventually(reached, seconds=seconds)
    await asyncio.sleep(0.3)  # until they are started there, too
