"""A daemon whose previews know what it is configured with: budgets of targets and connections, and brakes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.backfills import ALWAYS
from tests.support.daemon_within import daemon_within

from backfilld.clock import SystemClock
from backfilld.domain.access.callers import Actor
from backfilld.operations.keys import create_key
from backfilld.store.connection.pool import Pool

TEXT = """
[server]
port = 0
[state]
directory = "state"
[database]
dsn = "{dsn}"
[targets.crm]
origins = ["https://crm.example"]
starts_per_minute = 60
reserve_for_live = 0.5
[brakes.freeze]
type = "file"
path = "{folder}/freeze"
[connections.psa]
url = "{url}"
allow_private_address = true
requests_per_hour = 5000
[entity_types.company]
source = "http"
[entity_types.company.http]
connection = "psa"
path = "/keyset"
records = "data"
paging = {{ type = "keyset", parameter = "after", size_parameter = "limit", size = 20, order = {{ order = "id" }} }}
[[workflows]]
name = "sync"
executor = {{ type = "http", url = "https://crm.example/sync" }}
spends = {{ connection = "psa", requests = 2 }}
"""


@pytest.fixture
async def api() -> AsyncIterator[GenericApi]:
    async with serving(GenericApi([{"id": number} for number in range(30)])) as fake:
        yield fake


async def previewed(url: str, pool: Pool, **more: Any) -> Any:
    key = await create_key(pool, SystemClock(), name="ops", role="operator", actor=Actor.local("cli"))
    async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {key.key}"}) as session:
        async with session.get("/public-api/workflows") as answer:
            (workflow,) = (await answer.json())["data"]["workflows"]
        body = {
            "entity_type": "company", "filter_spec": {}, "daily_execution_windows": ALWAYS, "max_in_flight": 5,
            "target_workflow_id": workflow["id"], "timezone": "UTC", "reprocess_behavior": "completed",
        }  # fmt: skip
        async with session.post("/public-api/backfills/preview", json=body | more) as answer:
            text = await answer.text()
            assert 200 == answer.status, text
            return json.loads(text)["data"]


async def test_a_preview_knows_every_limit_of_the_configuration(
    dsn: str, pool: Pool, tmp_path: Path, api: GenericApi
) -> None:
    text = TEXT.format(dsn=dsn, folder=tmp_path, url=api.url)
    async with daemon_within(tmp_path, text) as daemon:
        data = await previewed(daemon.url, pool, starts_per_minute=120)

    limits = {limit["what"]: (limit["value"], limit["name"], limit["items_per_minute"]) for limit in data["limits"]}
    assert {
        "max_in_flight": (5, None, None),
        "starts_per_minute": (120, None, 120),
        "target_starts_per_minute": (60, "crm", 30),
        "requests_per_hour": (5_000, "psa", round(5_000 / 60 / 2, 3)),
    } == limits
    assert 30 == data["to_run_count"]
    assert any("it is not before" in note for note in data["notes"])
