"""Entity types that are listed by a query, as callers see them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.api.conftest import Client, Serve
from tests.support.backfill_api import body
from tests.support.backfills import Workflow, make_workflow
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.sql_types import TICKETS, sql_sources

from backfilld.api.public.backfills import routes as backfills
from backfilld.api.public.entities import routes as entities
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits
from backfilld.operations.entities import Entities
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityUploads

Serving = Callable[..., Any]


@pytest.fixture
async def workflow(pool: Pool) -> Workflow:
    return await make_workflow(pool, "classify")


@pytest.fixture
async def client_of(
    pool: Pool, clock: FakeClock, serve: Serve, empty_dsn: str, tmp_path: Path
) -> AsyncIterator[Serving]:
    """`client_of(dsn=…, query=…)`: all routes on a database of tickets."""
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute(TICKETS)
    await connection.close()
    made = []

    async def make(dsn: str = empty_dsn, query: str = "SELECT * FROM tickets") -> Client:
        sources = sql_sources(tmp_path, dsn, pool, clock, query)
        made.append(sources)
        operations = BackfillOperations(pool, sources=sources, control=FakeControl(), clock=clock, limits=Limits())
        kept = Entities(EntityStore(pool), EntityUploads(pool), sources, clock)
        return await serve([*backfills.routes(operations), *entities.routes(kept, clock, max_body_bytes=1 << 20)])

    yield make
    for sources in made:
        await sources.close()


async def ticket_type(client: Client) -> dict[str, Any]:
    answer = await (await client.get("/public-api/entity-types")).json()
    [found] = [one for one in answer["data"]["entity_types"] if one["name"] == "ticket"]
    return found  # type: ignore[no-any-return] # JSON


async def test_the_type_tells_of_its_source_and_its_fields(client_of: Serving) -> None:
    assert {
        "name": "ticket", "source": "sql", "healthy": True, "problem": None, "budget": None, "count": None,
        "loaded_at": None,
        "fields": {"id": "integer", "status": "string", "priority": "integer", "closed_at": "date"},
        "fields_configured": {"status": "string"}, "fields_imported": {}, "indexes": [],
    } == await ticket_type(await client_of())  # fmt: skip


async def test_a_type_that_cannot_be_listed_says_why(client_of: Serving) -> None:
    broken = await ticket_type(await client_of(query="SELECT * FROM tickts"))
    away = await ticket_type(await client_of(dsn="postgresql://127.0.0.1:1/x"))

    assert (False, 'relation "tickts" does not exist') == (broken["healthy"], broken["problem"])
    assert (False, {"status": "string"}) == (away["healthy"], away["fields"])


@pytest.mark.parametrize("way", ["put", "get"])
async def test_such_entities_are_not_kept_here(client_of: Serving, way: str) -> None:
    client = await client_of()
    answer = await getattr(client, way)("/public-api/entities/ticket", **({"json": []} if way == "put" else {}))

    assert 409 == answer.status
    assert "entity_type_not_kept_here" == (await answer.json())["error"]["code"]


async def test_a_backfill_of_them_is_counted_by_their_known_fields(client_of: Serving, workflow: Workflow) -> None:
    client = await client_of()
    spec = {"priority": ["3"], "closed_at": "2027-01-04T00:00:00+00:00"}  # fit only because the types are known
    asked = body(workflow.workflow_id, filter_spec=spec)
    created = await client.post("/public-api/backfills", json=asked)
    preview = await (await client.post("/public-api/backfills/preview", json=asked)).json()

    assert 201 == created.status
    assert 1 == (await created.json())["data"]["cost_estimate"]["total_entities"]
    assert ["3"] == [entity["id"] for entity in preview["data"]["sample"]]


async def test_a_filter_that_does_not_fit_a_column_is_refused(client_of: Serving, workflow: Workflow) -> None:
    answer = await (await client_of()).post(
        "/public-api/backfills", json=body(workflow.workflow_id, filter_spec={"priority": "high"})
    )

    assert 422 == answer.status
    assert "type_mismatch" in await answer.text()


async def test_over_a_broken_source_nothing_is_created(client_of: Serving, workflow: Workflow) -> None:
    client = await client_of(query="SELECT titel FROM tickets")
    answer = await client.post("/public-api/backfills", json=body(workflow.workflow_id, max_in_flight=0))
    faults = {fault["path"]: fault for fault in (await answer.json())["error"]["details"]}

    assert 422 == answer.status
    assert "source_broken" == faults["/entity_type"]["code"]
    assert 'column "titel" does not exist' in faults["/entity_type"]["message"]
    assert "/max_in_flight" in faults


async def test_while_a_source_has_never_been_seen_nothing_is_created(client_of: Serving, workflow: Workflow) -> None:
    client = await client_of(dsn="postgresql://u:hunter2@127.0.0.1:1/x")
    answer = await client.post("/public-api/backfills", json=body(workflow.workflow_id))

    assert 503 == answer.status
    assert "source_unreachable" == (await answer.json())["error"]["code"]
    assert "hunter2" not in await answer.text()


async def test_numbers_beyond_64_bits_come_as_text_and_that_is_said(client_of: Serving, workflow: Workflow) -> None:
    client = await client_of(
        query="SELECT n * 1e20 AS id, now() AS closed_at, 1e308::float8 AS f, jsonb_build_object('n', 1e20) AS j"
        " FROM generate_series(1, 3) AS n"
    )
    asked = body(workflow.workflow_id, filter_spec={})
    preview = await client.post("/public-api/backfills/preview", json=asked)
    told = await preview.json()
    verified = await client.post("/public-api/backfills/verify", json={"entity_type": "ticket", "filter_spec": {}})

    assert (200, 200) == (preview.status, verified.status)
    assert [f"{n}00000000000000000000" for n in (1, 2, 3)] == [one["id"] for one in told["data"]["sample"]]
    attributes = told["data"]["sample"][0]["attributes"]
    assert ("100000000000000000000", 1e308, {"n": "100000000000000000000"}) == (
        attributes["id"], attributes["f"], attributes["j"],
    )  # fmt: skip
    for answer in (told, await verified.json()):
        assert 1 == sum("column 'id' has numbers that JSON cannot hold" in one for one in answer["meta"]["warnings"])
