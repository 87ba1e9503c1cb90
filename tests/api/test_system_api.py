"""`GET /public-api/system`, and having a target asked at once."""

from typing import Any

import pytest
from tests.api.conftest import *  # noqa: F403 - fixtures
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.system import INSTANCE, PROCESS, System, make_system

from backfilld import __version__
from backfilld.api.public import system as routes
from backfilld.api.public import targets as target_routes
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.states import Status
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.engine.starting.targets.target_health import Route as Way
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool

CRM = "https://crm.example"
REFUSED = Verdict(VerdictKind.REFUSED, error_class="http_401", error="HTTP 401", http_status=401)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def system(pool: Pool, clock: FakeClock) -> System:
    return make_system(pool, clock)


async def _shown(serve: Any, system: System) -> dict[str, Any]:
    client = await serve(routes.routes(system.verbs.status), role="viewer")
    answer = await client.get("/public-api/system")

    assert 200 == answer.status, await answer.text()
    found: dict[str, Any] = (await answer.json())["data"]["system"]
    return found


async def test_a_new_installation_is_well_and_alone(serve: Any, system: System) -> None:
    shown = await _shown(serve, system)

    assert (__version__, True) == (shown["version"], shown["ready"])
    assert {"stopped": False, "by": None, "reason": None, "since": None} == shown["stop"]
    assert [
        {"instance": INSTANCE, "process": PROCESS, "this": True, "backfills": 0, "attempts": 0, "in_flight": 0}
    ] == (shown["daemons"])
    assert shown["database"]["size_bytes"] > 1_000_000
    assert shown["database"]["version"].split(".")[0].isdigit()


async def test_what_is_wrong_is_named_and_who_stopped_everything(serve: Any, system: System) -> None:
    system.checks["database"] = "does not answer"
    await system.verbs.stopping.stop_all(Actor.local("anna"), why="incident")
    shown = await _shown(serve, system)

    assert shown["ready"] is False
    assert {"name": "database", "ok": False, "message": "does not answer"} in shown["checks"]
    assert {"stopped": True, "by": "anna", "reason": "incident", "since": "2027-03-01T12:00:00Z"} == shown["stop"]


async def test_another_daemon_is_listed_with_what_it_holds(serve: Any, system: System, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    await LeaseStore(pool, instance="other", process="1-a").acquire(backfill.number)
    this, other = (await _shown(serve, system))["daemons"]

    assert (True, 0) == (this["this"], this["backfills"])
    assert ("other", "1-a", False, 1) == (other["instance"], other["process"], other["this"], other["backfills"])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"target": CRM, "reason": "mended"}, 202, "it is asked with the next item that is due"),
        ({"target": "https://well.example"}, 202, "there is nothing to ask: it can be reached, and refuses nobody"),
        ({"target": "https://crm.exampl"}, 404, "did you mean"),
        ({}, 422, "target"),
        ({"target": ""}, 422, "target"),
    ],
)
async def test_a_target_is_asked_at_once(
    serve: Any, system: System, body: dict[str, str], status: int, words: str
) -> None:
    health = system.targets.health(CRM, Way("notify", 1, CRM))
    health.note(REFUSED, 1, probe=False, at=NOON)
    system.targets.health("https://well.example", Way("notify", 1, CRM))
    client = await serve(target_routes.routes(system.verbs.targets), role="operator")
    answer = await client.post("/public-api/targets/try-now", json=body)

    assert status == answer.status
    assert words in await answer.text()
    assert (health.reason() is None) == (body.get("target") == CRM)


async def test_a_viewer_has_no_target_asked(serve: Any, system: System) -> None:
    client = await serve(target_routes.routes(system.verbs.targets), role="viewer")

    assert 403 == (await client.post("/public-api/targets/try-now", json={"target": CRM})).status
