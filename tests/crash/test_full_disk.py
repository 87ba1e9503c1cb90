"""The disk of the database is full: the daemon waits, says so, loses nothing and goes on by itself."""

import asyncio

import asyncpg
import pytest
from tests.crash.test_database_trouble import ENGINE, assert_all_done, begun, embedded_dsn, unready
from tests.support.daemon import Plan, daemon_process
from tests.support.small_disk import small_disk
from tests.support.waiting import eventually

from backfilld.embedded import EmbeddedPostgres


@pytest.fixture
def disk(scratch):
    with small_disk(scratch / "disk", megabytes=128) as disk:
        yield disk


@pytest.fixture
async def server(disk):
    server = EmbeddedPostgres(disk.folder / "postgres")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def external(scratch, target, server):
    async with daemon_process(scratch / "daemon", Plan(target.url, server.dsn, ENGINE)) as daemon:
        yield daemon


async def nothing_starts(target):
    """Return once nothing has arrived for a second."""
    seen = -1
    while seen != len(target.calls):
        seen = len(target.calls)
        await asyncio.sleep(1)
    return seen


@pytest.mark.slow
async def test_a_full_disk_of_the_database_is_told_of_and_waited_for(external, target, server, disk):
    id = await begun(external, target)
    disk.fill()
    status, document = await eventually(lambda: unready(external))
    started = await nothing_starts(target)
    shown = await external.backfill(id)
    alive, _ = await external.get("/healthz")
    blocked = await external.metric("backfilld_recorder_blocked")
    disk.clear()
    await external.becomes_ready()

    assert (503, 200, "running") == (status, alive, shown["status"])
    assert "does not take what became of items: DiskFullError" in str(document)
    assert ("waiting_for_capacity", 1) == (shown["status_reason"]["code"], blocked)
    assert shown["status_reason"]["message"].startswith(
        "The database takes no outcomes: the disk of the database is full; "
    )
    assert 200 < started < 800
    assert external.events("recorder failed")
    await assert_all_done(external, target, server.dsn, id, most_repeats=0)


@pytest.mark.slow
async def test_a_stop_on_a_full_disk_says_what_it_cannot_write_and_the_next_start_knows(scratch, target, server, disk):
    plan = Plan(target.url, server.dsn, ENGINE | {"shutdown_grace_seconds": 3})
    async with daemon_process(scratch / "daemon", plan) as daemon:
        id = await begun(daemon, target)
        disk.fill()
        await eventually(lambda: unready(daemon))
        await nothing_starts(target)
        await daemon.stop()
        told, last = daemon.events("outcomes cannot be written"), daemon.events("outcomes were not written")
        disk.clear()
        await daemon.start()
        await assert_all_done(daemon, target, server.dsn, id, most_repeats=told[0]["outcomes"])

    assert told[0]["outcomes"] > 0
    assert told[0]["seconds_left"] <= 8
    assert told[0]["outcomes"] == last[0]["outcomes"]


@pytest.fixture
async def embedded(target, disk):
    """All that the daemon keeps is on the small disk, its own database included."""
    async with daemon_process(disk.folder / "daemon", Plan(target.url, engine=ENGINE)) as daemon:
        yield daemon


async def crash_for_want_of_log(dsn):
    """A server that cannot write its log ahead ends itself. So it is asked to write more than there can be room for."""
    connection = await asyncpg.connect(dsn)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute(
            "SELECT pg_logical_emit_message(true, 'x', repeat('x', 9000000)) FROM generate_series(1, 20)"
        )
    connection.terminate()


@pytest.mark.slow
async def test_an_embedded_database_that_a_full_disk_brings_down_is_started_again_until_there_is_room(
    embedded, target, disk
):
    id = await begun(embedded, target)
    was = embedded.postmaster
    disk.fill()
    await crash_for_want_of_log(embedded_dsn(embedded))
    status, _ = await eventually(lambda: unready(embedded))
    started = await nothing_starts(target)
    disk.clear()
    await embedded.becomes_ready()
    said = [line for line in embedded.events() if "No space left on device" in str(line)]

    assert 503 == status
    assert said
    assert started < 800
    assert was != embedded.postmaster
    await assert_all_done(embedded, target, embedded_dsn(embedded), id, most_repeats=0)
