"""One run per try on a real server, and every end of a run where it belongs."""

import asyncio

import pytest
from tests.crash.accounts import assert_exact, rows_of
from tests.engines.dev_server import WorkerProcess, counted
from tests.support.waiting import eventually

pytestmark = pytest.mark.engines
SHAPES = {
    "plain": {},
    "slow": {"seconds": 0.2},
    "skipped": {"say": {"status": "skipped", "message": "nothing to do"}},
    "failed": {"say": {"status": "failed", "message": "no such ticket"}},
    "refused": {"raise": "NoSuchTicket", "final": True},
    "continued": {"again": 2},
    "second": {"fail_until": 2},
    "third": {"fail_until": 3},
    "spent": {"fail_until": 9},
    "paid": {"say": {"status": "succeeded", "credits": 2.5, "result": {"rows": 3}}},
}
RUNS = {"second": 2, "third": 3, "spent": 3, "continued": 3}
FAILED = {"failed": "target_failed", "refused": "NoSuchTicket", "spent": "Trouble"}
WORDS = {"skipped": "skipped", **dict.fromkeys(FAILED, "failed")}


@pytest.mark.parametrize(("each", "in_flight"), [(2, 10), (10, 100)])
async def test_every_item_is_one_run_per_try_and_ends_as_its_run_did(server, worker, world_on, dsn, each, in_flight):
    world = await world_on(server)
    items = {f"{name}-{number}": shape for name, shape in SHAPES.items() for number in range(each)}
    await world.upload(items)
    id = await world.create(max_in_flight=in_flight)
    ended = await world.daemon.ends(id, seconds=120)
    runs = await server.ended(f"bf_{id}_", len(items))
    rows = {row.entity_id: row for row in await rows_of(dsn, id)}

    assert "completed_with_failures" == ended["status"]
    await assert_exact(world.daemon, dsn, id, planned=len(items))
    assert {n: WORDS.get(n.partition("-")[0], "succeeded") for n in items} == {n: row.status for n, row in rows.items()}
    assert {n: FAILED.get(n.partition("-")[0]) for n in items} == {n: row.error_class for n, row in rows.items()}
    assert sorted(RUNS.get(name, 1) for name in SHAPES for _ in range(each)) == sorted(map(len, runs.values()))
    assert 2.5 * each == float(ended["credits_used"])
    paid = [item async for item in world.daemon.client.every("entities", f"/backfills/{id}/entities")]
    assert {"rows": 3} == next(item["result"] for item in paid if item["entity_id"] == "paid-0")


async def test_pause_lets_runs_be_and_only_stopping_cancels_them_there(server, worker, world_on):
    world = await world_on(server)
    await world.upload({f"T{number:02}": {"seconds": 3 if number < 5 else 120} for number in range(20)})
    id = await world.create(max_in_flight=5)
    await until_in_flight(world, id, 5)
    await world.daemon.client.pause_backfill(id)
    await settled(world, id)
    paused = await server.ended(f"bf_{id}_", 5)
    await world.daemon.client.resume_backfill(id)
    await until_in_flight(world, id, 5)
    await eventually(lambda: are_there(server, id, 10))
    await world.daemon.client.cancel_backfill(id, in_flight="cancel")
    ended = await world.daemon.ends(id)
    runs = await server.ended(f"bf_{id}_", 10)

    assert {("completed",): 5} == counted(paused)
    assert ("cancelled", 5) == (ended["status"], ended["succeeded_count"])
    assert {("completed",): 5, ("canceled",): 5} == counted(runs)


async def test_a_stop_of_the_daemon_lets_runs_go_on_and_the_next_life_finds_them(server, worker, world_on):
    world = await world_on(server, grace=0.2)
    await world.upload({f"T{number}": {"seconds": 4} for number in range(8)})
    id = await world.create(max_in_flight=8)
    await until_in_flight(world, id, 8)
    await world.daemon.stop()
    await world.daemon.start()
    ended = await world.daemon.ends(id)
    runs = await server.ended(f"bf_{id}_", 8)

    assert ("completed", 8) == (ended["status"], ended["succeeded_count"])
    assert {("completed",): 8} == counted(runs)


async def test_a_queue_without_a_worker_is_named_until_there_is_one(server, world_on, place):
    world = await world_on(server, queue="lonely", engine="no_workers_after_seconds = 1")
    await world.upload({f"T{number}": {} for number in range(5)})
    id = await world.create(max_in_flight=2)

    async def named() -> bool:
        return "no_workers" == await world.reason(id)

    await eventually(named, seconds=30)
    tested = (await world.daemon.client.test_engine("main")).data["test"]
    lonely = WorkerProcess(place, server, "lonely")
    await lonely.start()
    try:
        ended = await world.daemon.ends(id)
    finally:
        lonely.kill()

    assert (True, "0") == (tested["healthy"], tested["facts"]["workers on lonely"])
    assert "the queue lonely has no worker" in tested["warnings"]
    assert ("completed", 5) == (ended["status"], ended["succeeded_count"])
    assert {("completed",): 5} == counted(await server.ended(f"bf_{id}_", 5))


async def are_there(server, id, count):
    await asyncio.sleep(0.2)
    return count == len(await server.runs(f"bf_{id}_"))


async def until_in_flight(world, id, count):
    async def reached() -> bool:
        return count == (await world.daemon.backfill(id))["in_flight_count"]

    await eventually(reached)
    await asyncio.sleep(0.3)  # until they are started there, too


async def settled(world, id):
    async def reached() -> bool:
        return 0 == (await world.daemon.backfill(id))["in_flight_count"]

    await eventually(reached)
