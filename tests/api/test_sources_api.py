"""The sources as callers see them, and backfills over an API."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.backfill_api import body
from tests.support.backfills import Workflow, make_workflow
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.http_types import SECRET, http_types, text_of

from backfilld.api.public import sources as routes_of_sources
from backfilld.api.public.backfills import routes as backfills
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits
from backfilld.operations.sources import SourceOperations
from backfilld.sources.http.source import LOOKING
from backfilld.store.connection.pool import Pool

OPEN = {"combinator": "and", "rules": [{"field": "status", "operator": "=", "value": "open"}]}


@pytest.fixture
async def workflow(pool: Pool) -> Workflow:
    return await make_workflow(pool, "classify")


@pytest.fixture
async def api() -> AsyncIterator[GenericApi]:
    records = [{"id": n, "status": "closed" if n % 5 == 0 else "open"} for n in range(250)]
    async with serving(GenericApi(records)) as fake:
        yield fake


@pytest.fixture
async def client(pool: Pool, clock: FakeClock, serve: Serve, tmp_path: Path, api: GenericApi) -> AsyncIterator[Client]:
    text = text_of(api.url, "requests_per_hour = 40")
    async with http_types(tmp_path, text, pool, clock, LOOKING) as (sources, connection):
        operations = BackfillOperations(pool, sources=sources, control=FakeControl(), clock=clock, limits=Limits())
        kept = SourceOperations(sources, {connection.name: connection}, clock)
        yield await serve([*backfills.routes(operations), *routes_of_sources.routes(kept)])


async def data_of(answer: Any) -> Any:
    return (await answer.json())["data"]


async def test_a_source_shows_its_types_health_and_budget(client: Client) -> None:
    found = await data_of(await client.get("/public-api/sources"))

    assert {
        "name": "crm",
        "kind": "http",
        "entity_types": ["ticket"],
        "healthy": True,
        "problem": None,
        "budget": {"limit": 40, "used": 1, "until": None},
    } == found["sources"][0]


async def test_a_test_asks_for_a_record_and_the_number_and_says_what_it_cost(client: Client, api: GenericApi) -> None:
    found = (await data_of(await client.post("/public-api/sources/ticket/test")))["test"]

    assert (True, 250, 2) == (found["healthy"], found["count"], found["requests"])
    assert {"id": "0", "attributes": {"id": 0, "status": "closed"}} == found["record"]
    assert 2 == len(api.asked)


async def test_a_test_says_what_is_wrong(client: Client, api: GenericApi) -> None:
    api.reply(403, {"error": "your role may not"})
    found = (await data_of(await client.post("/public-api/sources/ticket/test")))["test"]
    listed = await data_of(await client.get("/public-api/sources"))

    assert 'crm: GET /keyset answers 403: {"error": "your role may not"}' == found["problem"]
    assert (False, found["problem"]) == (listed["sources"][0]["healthy"], listed["sources"][0]["problem"])


async def test_there_is_nothing_to_test_of_an_unknown_type(client: Client) -> None:
    answer = await client.post("/public-api/sources/tickets/test")

    assert 404 == answer.status
    assert "did you mean 'ticket'" in (await answer.json())["error"]["message"]


async def test_a_filter_is_counted_by_the_api_itself(client: Client, api: GenericApi) -> None:
    answer = await client.post("/public-api/backfills/verify", json={"entity_type": "ticket", "filter_spec": OPEN})

    assert 200 == (await data_of(answer))["matching_entities"]
    assert 5 >= len(api.asked)


async def test_a_filter_whose_records_fit_on_a_page_is_listed_and_not_counted(client: Client, api: GenericApi) -> None:
    closed = {"combinator": "and", "rules": [{"field": "status", "operator": "=", "value": "closed"}]}
    found = []
    await client.post("/public-api/backfills/verify", json={"entity_type": "ticket", "filter_spec": OPEN})
    api.asked.clear()
    for _ in range(3):
        answer = await client.post(
            "/public-api/backfills/verify", json={"entity_type": "ticket", "filter_spec": closed}
        )
        found.append((await data_of(answer))["matching_entities"])
    asked = [(one.path, one.query.get("status")) for one in api.asked]

    assert [50, 50, 50] == found
    assert [("/keyset", "closed")] * 3 == asked  # and what may be remarked on is known from a page that was kept


async def test_where_only_an_upper_bound_is_known_it_is_told(client: Client, api: GenericApi) -> None:
    api.records = {n: {"id": n, "status": "open", "name": "x"} for n in range(1500)}
    both = {"combinator": "and", "rules": [*OPEN["rules"], {"field": "name", "operator": "=", "value": "x"}]}
    answer = await client.post("/public-api/backfills/verify", json={"entity_type": "ticket", "filter_spec": both})
    found = await data_of(answer)

    assert (None, 1500) == (found["matching_entities"], found["at_most"])
    assert "at most 1,500 match" in found["message"]


async def test_what_is_refused_is_said_before_anything_is_made(
    client: Client, workflow: Workflow, api: GenericApi
) -> None:
    api.reply(401, {"error": f"unknown token {SECRET}"})
    await client.post("/public-api/sources/ticket/test")
    answer = await client.post(
        "/public-api/backfills", json=body(workflow.workflow_id, entity_type="ticket", filter_spec=OPEN)
    )
    told = await answer.text()

    assert 503 == answer.status
    assert "source_refused" == (await answer.json())["error"]["code"]
    assert SECRET not in told
