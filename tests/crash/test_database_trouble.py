"""A database that is late, that dies, or that dies together with the daemon: waited for, and nothing is lost."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from tests.crash.accounts import assert_exact, assert_keys_never_change, assert_never_above, repeats
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

from backfilld.embedded import EmbeddedPostgres

ENTITIES = [f"T{number:04}" for number in range(800)]
MAX_UNRECORDED = 20
BOUND = MAX_UNRECORDED + 10
ENGINE = {"max_unrecorded": MAX_UNRECORDED}


@pytest.fixture
async def embedded(scratch, target):
    """A daemon that runs its own database."""
    async with daemon_process(scratch / "daemon", Plan(target.url, engine=ENGINE)) as daemon:
        yield daemon


@pytest.fixture
async def server(scratch):
    """A durable server that a test may kill and start again."""
    server = EmbeddedPostgres(scratch / "postgres")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def external(scratch, target, server):
    """A daemon on that server."""
    async with daemon_process(scratch / "daemon", Plan(target.url, server.dsn, ENGINE)) as daemon:
        yield daemon


async def begun(daemon, target):
    """A backfill that has done a part of its work."""
    target.script = lambda _: Reply(seconds=0.01)
    await daemon.start()
    await daemon.make_key()
    await daemon.upload(ENTITIES)
    id = await daemon.create()
    await eventually(lambda: len(target.calls) > 200)
    return id


def embedded_dsn(daemon):
    return (daemon.state / "postgres" / "address").read_text().strip()


async def assert_all_done(daemon, target, dsn, id, *, most_repeats):
    ended = await daemon.ends(id)
    found = await assert_exact(daemon, dsn, id, planned=len(ENTITIES))

    assert ("completed", len(ENTITIES)) == (ended["status"], found["succeeded"])
    assert repeats(target) <= most_repeats
    assert_keys_never_change(target)
    assert_never_above(target, 10)


async def stop_at_once(server):
    """As `pg_ctl stop -m immediate`: no goodbye, to be recovered at the next start."""
    os.kill(server.pid, signal.SIGQUIT)
    await server.ended()
    await server.stop()


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
async def test_the_embedded_server_may_be_killed_and_is_started_again(embedded, target, kills):
    id = await begun(embedded, target)
    answers = Counter()
    asking = asyncio.create_task(ask_all_the_time(embedded, id, answers))
    for _ in range(kills):
        killed = await eventually(lambda: embedded.postmaster)
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: embedded.postmaster not in (None, killed), seconds=30)  # noqa: B023 - used at once
        await asyncio.sleep(random.uniform(0, 1))
    await embedded.becomes_ready()
    asking.cancel()
    await asyncio.wait([asking])

    assert {503} <= set(answers) <= {200, 503}
    await assert_all_done(embedded, target, embedded_dsn(embedded), id, most_repeats=0)  # the daemon remembered


@pytest.mark.slow
async def test_daemon_and_embedded_server_may_be_killed_together(embedded, target):
    id = await begun(embedded, target)
    os.kill(embedded.postmaster, signal.SIGKILL)
    killed_at = time.monotonic()
    await embedded.kill()
    target.next_generation()
    await embedded.start()
    await eventually(lambda: target.most_live[1], seconds=10)

    assert time.monotonic() - killed_at < 5.0
    await assert_all_done(embedded, target, embedded_dsn(embedded), id, most_repeats=BOUND)


@pytest.mark.slow
async def test_a_database_that_is_lost_in_the_middle_is_waited_for(external, target, server):
    id = await begun(external, target)
    await stop_at_once(server)
    status, document = await eventually(lambda: unready(external))
    alive, _ = await external.get("/healthz")
    await eventually(lambda: not any(target.live.values()))
    away = len(target.calls)
    await server.start()
    await external.becomes_ready()

    assert (503, 200) == (status, alive)
    assert "does not answer" in str(document)
    assert away < len(ENTITIES), "it was over before the database was lost"
    await assert_all_done(external, target, server.dsn, id, most_repeats=0)


async def test_a_database_that_is_not_there_at_start_is_waited_for(external, target, server):
    await external.make_key()  # there is a schema, then
    await server.stop()
    await external.launch()
    await external.serving()
    alive, _ = await external.get("/healthz")
    status, document = await external.get("/readyz")
    await server.start()
    await external.becomes_ready()

    assert (200, 503) == (alive, status)
    assert "does not answer" in str(document)


@pytest.mark.slow
async def test_a_server_that_hangs_is_told_of_and_nothing_is_lost_when_it_goes_on(external, target, server):
    id = await begun(external, target)
    with frozen(server):
        began = time.monotonic()
        status, document = await external.get("/readyz")
        took = time.monotonic() - began
        await asyncio.sleep(6)  # longer than a lease, and than a renewal is waited for
        hung = len(target.calls)
    await external.becomes_ready()

    assert 503 == status
    assert "does not answer" in str(document)
    assert took < 5.0
    assert hung < len(ENTITIES)
    await assert_all_done(external, target, server.dsn, id, most_repeats=0)


@pytest.mark.slow
async def test_a_daemon_that_is_told_to_stop_while_its_database_is_away_ends_at_the_second_signal(
    external, target, server
):
    id = await begun(external, target)
    await stop_at_once(server)
    external.signal(signal.SIGTERM)
    await eventually(lambda: external.events("stopping"))
    external.signal(signal.SIGTERM)
    told_at = time.monotonic()
    code = await external.ended()
    took = time.monotonic() - told_at
    await server.start()
    target.next_generation()
    await external.start()

    assert 0 == code
    assert took < 12.0
    await assert_all_done(external, target, server.dsn, id, most_repeats=BOUND)


@contextmanager
def frozen(server):
    """Every process of a server stands still."""
    pids = [server.pid, *map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def ask_all_the_time(daemon, id, answers):
    """Count the statuses that a dashboard would see."""
    path, headers = f"{daemon.url}/public-api/backfills/{id}", {"Authorization": f"Bearer {daemon.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.get(path) as answer:
                answers[answer.status] += 1
            await asyncio.sleep(0.02)


async def unready(daemon):
    status, document = await daemon.get("/readyz")
    return (status, document) if status == 503 else None
