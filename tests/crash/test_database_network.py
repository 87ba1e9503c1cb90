"""The network on the way to the database swallows what it is given, one way or both: told of, and nothing is lost."""

import asyncio

import pytest
from tests.crash.test_database_trouble import ENGINE, assert_all_done, begun, unready
from tests.support.daemon import Plan, daemon_process
from tests.support.waiting import eventually
from tests.support.wire import Way, wire_to

LONGER_THAN_A_LEASE_SECONDS = 4.0


@pytest.fixture
async def wire(dsn):
    async with wire_to(dsn) as wire:
        yield wire


@pytest.fixture
async def far(scratch, target, wire):
    async with daemon_process(scratch / "daemon", Plan(target.url, wire.dsn, ENGINE)) as daemon:
        yield daemon


@pytest.mark.slow
@pytest.mark.parametrize("way", list(Way), ids=[way.value for way in Way])
async def test_a_network_that_swallows_one_way_is_told_of_and_nothing_is_lost(far, target, dsn, wire, way):
    id = await begun(far, target)
    wire.stall(way)
    status, document = await eventually(lambda: unready(far))
    await asyncio.sleep(LONGER_THAN_A_LEASE_SECONDS)
    started = len(target.calls)
    wire.mend()
    await far.becomes_ready()

    assert 503 == status
    assert "does not" in str(document)
    assert started < 800
    await assert_all_done(far, target, dsn, id, most_repeats=0)
