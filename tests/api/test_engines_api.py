"""The engines as callers see them: how each is, and what a test of one finds."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from tests.api.conftest import Client, Serve
from tests.support.clock import FakeClock
from tests.support.targets import Target, target

from backfilld.api.public import engines as routes_of_engines
from backfilld.bus import Bus
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.engines import engine_target
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.target_health import Route
from backfilld.executors.digdag.connection import DigdagConnection, Terms
from backfilld.executors.digdag.engine import DigdagEngine
from backfilld.executors.secrets import SecretStore
from backfilld.operations.engines.looking import EngineOperations

KEY = "1/abcdefgh"


async def well(request: web.Request) -> web.Response:
    if request.path == "/api/version":
        return web.json_response({"version": "0.10.6"})
    if request.headers.get("Authorization") != f"TD1 {KEY}":
        return web.json_response({"message": "who are you, 1/abcdefgh?", "status": 401}, status=401)
    return web.json_response({"schedules": [{"id": "1"}, {"id": "2"}]})


@pytest.fixture
async def server() -> AsyncIterator[Target]:
    async with target(well) as running:
        yield running


@pytest.fixture
def targets(clock: FakeClock) -> Targets:
    return Targets(clock, Bus())


@pytest.fixture
async def ask(clock: FakeClock, serve: Serve, targets: Targets, server: Target) -> AsyncIterator[Any]:
    engines: list[DigdagEngine] = []

    async def client(*, secret: str = KEY, url: str = server.url) -> Client:
        terms = Terms("wf", url, auth=("td_key", "TD1", None))
        engines.append(
            DigdagEngine(DigdagConnection(terms, SecretStore({"td_key": secret}), clock), clock, targets.hold)
        )
        operations = EngineOperations({"wf": engines[-1]}, targets, clock)
        return await serve(routes_of_engines.routes(operations))

    yield client
    for engine in engines:
        await engine.close()


async def test_an_engine_is_shown_with_its_outage_and_what_runs_on_it(
    ask: Any, targets: Targets, server: Target
) -> None:
    health = targets.health(engine_target("wf"), Route("daily"))
    for item in range(5):
        health.note(Verdict(VerdictKind.UNREACHABLE, error="connection refused"), item, probe=False)
    client = await ask()
    [found] = (await (await client.get("/public-api/engines")).json())["data"]["engines"]

    assert ("wf", "digdag", server.url, "open", "connection refused", ["daily"]) == (
        found["name"], found["kind"], found["address"], found["state"], found["problem"], found["workflows"],
    )  # fmt: skip


async def test_a_test_tells_the_version_and_that_we_are_let_in(ask: Any) -> None:
    client = await ask()
    found = (await (await client.post("/public-api/engines/wf/test")).json())["data"]["test"]

    assert (True, None) == (found["healthy"], found["problem"])
    assert {"version": "0.10.6", "schedules": "2"} == found["facts"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"secret": "1/wrongwrong"}, "wf: GET /api/schedules answers HTTP 401 Unauthorized: who are you, 1/abcdefgh?"),
        ({"secret": ""}, "wf: the secret 'td_key' is not defined, or empty; add it to [secrets] and reload"),
        ({"url": "http://127.0.0.1:1"}, "wf: http://127.0.0.1:1: no connection: Connect call failed ('127.0.0.1', 1)"),
    ],
)
async def test_a_test_says_why_nothing_could_run_there(ask: Any, changes: dict[str, str], problem: str) -> None:
    client = await ask(**changes)
    found = (await (await client.post("/public-api/engines/wf/test")).json())["data"]["test"]

    assert (False, problem) == (found["healthy"], found["problem"])


async def test_an_unknown_engine_is_404(ask: Any) -> None:
    answer = await (await ask()).post("/public-api/engines/wv/test")

    assert 404 == answer.status
    assert "there is no engine 'wv'" in await answer.text()
