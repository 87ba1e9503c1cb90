"""Pick lists of a system that keeps numbers: their labels are told, and a word in a filter is answered with them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.fake_psa.autotask import CODE, SECRET, USER, Autotask, tickets
from tests.fake_psa.serving import serving
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.http_types import http_types

from backfilld.api.public.backfills import routes as backfills
from backfilld.api.public.watching import fields
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits
from backfilld.sources.http.source import LOOKING
from backfilld.store.connection.pool import Pool


@pytest.fixture
async def api() -> AsyncIterator[Autotask]:
    async with serving(Autotask(Tickets=tickets(3))) as fake:
        yield fake


@pytest.fixture
async def client(pool: Pool, clock: FakeClock, serve: Serve, tmp_path: Path, api: Autotask) -> AsyncIterator[Client]:
    text = f"""
[secrets.code]
value = "{CODE}"
[secrets.autotask]
value = "{SECRET}"
[connections.psa]
preset = "autotask"
url = "{api.url}"
username = "{USER}"
integration_code = {{ secret = "code" }}
secret = {{ secret = "autotask" }}
allow_private_address = true
[entity_types.ticket]
source = "http"
http = {{ connection = "psa" }}
"""
    async with http_types(tmp_path, text, pool, clock, LOOKING) as (sources, _):
        operations = BackfillOperations(pool, sources=sources, control=FakeControl(), clock=clock, limits=Limits())
        yield await serve([*backfills.routes(operations), *fields.routes(operations)])


async def test_a_label_is_answered_with_the_numbers(client: Client) -> None:
    asked = {"entity_type": "ticket", "filter_spec": {"status": ["New", 5], "title": "x"}}
    answer = await client.post("/public-api/backfills/verify", json=asked)
    [fault] = (await answer.json())["error"]["details"]

    assert (422, "type_mismatch") == (answer.status, fault["code"])
    assert "its values are numbers (1 New, 5 Complete)" in fault["message"]


async def test_fields_come_with_every_value_of_a_pick_list_and_its_label(
    client: Client, api: Autotask, clock: FakeClock
) -> None:
    async def asked() -> dict[str, Any]:
        answer = await client.get("/public-api/entity-types/ticket/fields")
        return {one["name"]: one for one in (await answer.json())["data"]["fields"]}

    found = await asked()
    again = await asked()
    await clock.advance(301)
    await asked()

    assert [{"value": 1, "label": "New"}, {"value": 5, "label": "Complete"}] == found["status"]["values"]
    assert ("integer", ["integer"], 1.0) == tuple(found["status"][key] for key in ("configured", "kinds", "share"))
    assert {None} == {value["label"] for value in found["companyID"]["values"]}
    assert found == again
    paths = [path.rpartition("/v1.0")[2] for path in api.paths()]
    assert (2, 1) == (paths.count("/Tickets/query"), paths.count("/Tickets/entityInformation/fields"))
