"""A fake API, and sources of it as the configuration would make them."""

import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.clock import FakeClock

from backfilld.app.sources.connections import connections_of, http_sources
from backfilld.config.model import Settings
from backfilld.executors.secrets import SecretStore
from backfilld.sources.http.source import HttpSource, Purposes

SECRET = "s3cret-of-the-api-0123456789"
SECRETS = {"crm": SECRET, "client": "client-secret-0123456789"}

KEYSET = """
    [entity_types.ticket.http]
    connection = "crm"
    path = "/keyset"
    records = "data"
    paging = { type = "keyset", parameter = "after", size_parameter = "limit", size = 100, order = { order = "id" } }
    count = { path = "/count", value = "total" }
    read = { type = "many", parameter = "ids", join = ",", most = 100 }
    push.status = { operators = ["=", "in"], parameter = "status", join = ",", exact = true }
"""
PAGINGS = {
    "keyset": '{ type = "keyset", parameter = "after", size_parameter = "limit", order = { order = "id" } }',
    "page": '{ type = "page", parameter = "page", size_parameter = "limit", total = "total" }',
    "offset": '{ type = "offset", parameter = "offset", size_parameter = "limit", total = "total" }',
    "cursor": '{ type = "cursor", parameter = "cursor", cursor = "meta.next", size_parameter = "limit" }',
    "link": '{ type = "link_header", size_parameter = "limit" }',
    "next": '{ type = "next_url", url = "next", size_parameter = "limit" }',
}
ALL = [str(n) for n in range(250)]


@dataclass
class Made:
    """Sources of one configuration."""

    sources: dict[str, HttpSource]
    secrets: SecretStore

    def __getitem__(self, entity_type: str) -> HttpSource:
        return self.sources[entity_type]


Making = Callable[..., Made]


@pytest.fixture
async def api() -> AsyncIterator[GenericApi]:
    """250 records; each fifth is closed."""
    records = [{"id": n, "name": f"record {n}", "status": "closed" if n % 5 == 0 else "open"} for n in range(250)]
    async with serving(GenericApi(records)) as fake:
        yield fake


@pytest.fixture
async def making(clock: FakeClock) -> AsyncIterator[Making]:
    """`making(text)`: the sources of a configuration, by type."""
    made = []

    def make(text: str, purposes: Purposes | None = None, **secrets: str) -> Made:
        settings = Settings.model_validate(tomllib.loads(text), context={"base": Path()})
        store = SecretStore({**SECRETS, **secrets})
        connections = connections_of(settings, store, clock)
        made.extend(connections.values())
        types: dict[str, Any] = dict(settings.entity_types)
        return Made(http_sources(types, settings.connections, connections, clock, purposes or Purposes()), store)

    yield make
    for connection in made:
        await connection.close()


def crm(url: str, **paging: Any) -> str:
    """One connection, and tickets that are listed by it."""
    return f"""
        [connections.crm]
        url = "{url}"
        auth = {{ type = "bearer", token = {{ secret = "crm" }} }}
        allow_private_address = true
        max_concurrent = 4
        test_path = "/me"
        [entity_types.ticket]
        source = "http"
    """


def by(kind: str) -> str:
    path, records = f"/{kind}", "data"
    return f"""
        [entity_types.ticket.http]
        connection = "crm"
        path = "{path}"
        records = "{records}"
        paging = {PAGINGS[kind]}
    """
