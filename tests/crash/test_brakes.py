"""What a brake is to remember, and what people tell it, is there after a kill as a whole or not at all."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.crash.mortal import ENTITIES, Mortal, points
from tests.support.waiting import eventually

from backfilld.client import ApiError
from backfilld.crash_points import Point

BRAKE = """
[brakes.load]
type = "http"
url = "{url}"
value = "load"
hold_above = 10
critical_above = 100
every_seconds = 0.1
release_after = 1
"""


@dataclass
class Load:
    """What the brake looks at."""

    value: float = 1
    url: str = ""

    async def answer(self, _: web.Request) -> web.Response:
        return web.json_response({"load": self.value})


@pytest.fixture
async def load() -> AsyncIterator[Load]:
    load = Load()
    app = web.Application()
    app.router.add_get("/", load.answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    load.url = str(server.make_url("/"))
    yield load
    await server.close()


@pytest.fixture
def mortal(daemon, target, dsn, point, load) -> Mortal:
    mortal = Mortal(daemon, target, dsn, point)
    daemon.configure(replace(daemon.plan, more=BRAKE.format(url=load.url)))
    return mortal


async def holds(mortal: Mortal, id: str, code: str) -> bool:
    reason = (await mortal.daemon.backfill(id))["status_reason"]
    return reason is not None and reason["code"] == code


@points(slow=(Point.BRAKE_LATCH_BEFORE_COMMIT, Point.BRAKE_LATCH_AFTER_COMMIT))
async def test_a_critical_value_is_remembered_once_it_is_committed_and_looked_at_again_if_not(mortal, load):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    load.value = 130
    await mortal.dies()
    load.value = 130 if mortal.point is Point.BRAKE_LATCH_BEFORE_COMMIT else 1  # which is well again meanwhile
    await mortal.start()
    await eventually(lambda: holds(mortal, id, "braked_critically"), seconds=30)
    quiet = await mortal.starts_nothing()
    load.value = 1
    await reset(mortal)
    await mortal.assert_nothing_lost(id, status="completed")

    assert quiet
    assert 1 == await mortal.count("SELECT count(*) FROM audit_log WHERE action = 'brake.latch'")


async def reset(mortal: Mortal) -> None:
    async def is_reset() -> bool:
        try:
            await mortal.daemon.client.reset_brake("load", reason="well again")
        except ApiError as problem:  # its last look was bad
            if problem.status != 409:
                raise
            return False
        return True

    await eventually(is_reset, seconds=30)


@points(slow=(Point.BRAKE_RESET_BEFORE_COMMIT, Point.BRAKE_RESET_AFTER_COMMIT))
async def test_a_reset_is_in_force_or_was_never_asked_for(mortal, load):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    load.value = 130
    await eventually(lambda: holds(mortal, id, "braked_critically"), seconds=30)
    load.value = 1
    cut_off = await mortal.is_cut_off(reset(mortal))
    await mortal.lives_again()
    latched = await mortal.count("SELECT count(*) FROM brake_states WHERE critical_at IS NOT NULL")
    quiet = await mortal.starts_nothing() if latched else True
    await reset(mortal)
    await mortal.assert_nothing_lost(id, status="completed")

    assert cut_off
    assert quiet
    assert latched == (mortal.point is Point.BRAKE_RESET_BEFORE_COMMIT)
    assert 1 == await mortal.count("SELECT count(*) FROM audit_log WHERE action = 'brake.reset'")


@points(slow=(Point.BRAKE_RELEASE_BEFORE_COMMIT, Point.BRAKE_RELEASE_AFTER_COMMIT))
async def test_a_release_is_in_force_or_was_never_asked_for(mortal, load):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    load.value = 20
    await eventually(lambda: holds(mortal, id, "braked"), seconds=30)
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    cut_off = await mortal.is_cut_off(mortal.daemon.client.release_brake("load", until=until, reason="in need"))
    await mortal.lives_again()
    released = await mortal.count("SELECT count(*) FROM brake_states WHERE released_until IS NOT NULL")
    quiet = True if released else await mortal.starts_nothing()
    await mortal.daemon.client.release_brake("load", until=until)
    await mortal.assert_nothing_lost(id, status="completed")

    assert cut_off
    assert quiet
    assert released == (mortal.point is Point.BRAKE_RELEASE_AFTER_COMMIT)
    assert len(ENTITIES) <= len(mortal.target.calls)
