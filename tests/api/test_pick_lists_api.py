"""A word in a filter where the system keeps a number says which numbers there are."""

from pathlib import Path

from tests.api.conftest import Serve
from tests.fake_psa.autotask import CODE, SECRET, USER, Autotask, tickets
from tests.fake_psa.serving import serving
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.http_types import http_types

from backfilld.api.public.backfills import routes as backfills
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits
from backfilld.sources.http.source import LOOKING
from backfilld.store.connection.pool import Pool


async def test_a_label_is_answered_with_the_numbers(pool: Pool, clock: FakeClock, serve: Serve, tmp_path: Path) -> None:
    async with serving(Autotask(Tickets=tickets(3))) as api:
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
            client = await serve(backfills.routes(operations))
            asked = {"entity_type": "ticket", "filter_spec": {"status": ["New", 5], "title": "x"}}
            answer = await client.post("/public-api/backfills/verify", json=asked)
            [fault] = (await answer.json())["error"]["details"]

    assert (422, "type_mismatch") == (answer.status, fault["code"])
    assert "its values are numbers (1 New, 5 Complete)" in fault["message"]
