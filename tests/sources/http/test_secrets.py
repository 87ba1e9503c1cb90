"""Credentials go to the host that they are for, in headers or a form, and into nothing that we say."""

import base64
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from itertools import product
from typing import Any

import pytest
from aiohttp import web
from tests.fake_psa.serving import Fake, serving
from tests.sources.http.conftest import Making

from backfilld.sources.base import EntityQuery, SourceBroken, SourceUnreachable

ONE, TWO = "first/secret+0123456789", "second-secret-0123456789"
TOKEN = "token.of.the.system-0123456789"
PAIR = base64.b64encode(f"me:{ONE}".encode()).decode()
OF_CONNECTWISE = base64.b64encode(f"example+public:{ONE}".encode()).decode()
SECRETS = (ONE, TWO, TOKEN, PAIR, OF_CONNECTWISE)

GENERIC = """
    [entity_types.ticket]
    source = "http"
    [entity_types.ticket.http]
    connection = "crm"
    path = "/records"
    records = "data"
    paging = { type = "next_url", url = "next" }
    count = { path = "/count", value = "total" }
    read = { type = "one", path = "/records/{id}" }
"""
PRESET = """
    [entity_types.ticket]
    source = "http"
    http = { connection = "crm" }
"""
WAYS = {
    "bearer": ('auth = { type = "bearer", token = { secret = "one" } }', GENERIC),
    "basic": ('auth = { type = "basic", username = "me", password = { secret = "one" } }', GENERIC),
    "header": ('auth = { type = "header", name = "X-Api-Key", value = { secret = "one" } }', GENERIC),
    "oauth2": (
        'auth = { type = "oauth2", token_url = "URL/token", client_id = "me", client_secret = { secret = "one" } }',
        GENERIC,
    ),
    "autotask": (
        'preset = "autotask"\nusername = "me"\nintegration_code = { secret = "two" }\nsecret = { secret = "one" }',
        PRESET,
    ),
    "connectwise": (
        'preset = "connectwise"\ncompany = "example"\npublic_key = "public"\nclient_id = "x"'
        '\nprivate_key = { secret = "one" }',
        PRESET,
    ),
    "halo": ('preset = "halo"\ntenant = "example"\nclient_id = "x"\nclient_secret = { secret = "one" }', PRESET),
}
KNOWN = {
    "bearer": (ONE,), "basic": (ONE, PAIR), "header": (ONE,), "oauth2": (ONE, TOKEN), "autotask": (ONE, TWO),
    "connectwise": (ONE, OF_CONNECTWISE), "halo": (ONE, TOKEN),
}  # fmt: skip


class Echoing(Fake):
    """Lets everybody in, and gives back whatever it was sent, with the present status."""

    status = 403
    known: tuple[str, ...] = ()
    location = ""
    body: Callable[[dict[str, Any]], web.Response] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/token", self.token),
            web.post("/auth/token", self.token),
            web.get("/atservicesrest/v1.0/zoneInformation", self.zone),
            web.route("*", "/{rest:.*}", self.echo),
        ]

    async def token(self, request: web.Request) -> web.Response:
        return web.json_response({"access_token": TOKEN, "expires_in": 3600})

    async def zone(self, request: web.Request) -> web.Response:
        return web.json_response({"url": f"{self.url}/atservicesrest/"})

    async def echo(self, request: web.Request) -> web.Response:
        said = {"errors": [dict(request.headers)], "plain": [*self.known], "message": " ".join(self.known)}
        if self.body is not None:
            return self.body(said)
        headers = {"Location": self.location} if self.location else {}
        return web.json_response(said, status=self.status, headers=headers)


@pytest.fixture
async def api() -> AsyncIterator[Echoing]:
    async with serving(Echoing()) as fake:
        yield fake


@pytest.fixture
async def foreign() -> AsyncIterator[Echoing]:
    async with serving(Echoing()) as fake:
        yield fake


async def told(making: Making, api: Echoing, way: str) -> list[str]:
    """All that is said of asking in every way."""
    connection, listing = WAYS[way]
    api.known = KNOWN[way]
    text = f"""
        [connections.crm]
        url = "{api.url}"
        allow_private_address = true
        {connection.replace("URL", api.url)}
        {listing}
    """
    source = making(text, one=ONE, two=TWO)["ticket"]

    async def listed() -> None:
        async with aclosing(source.pages(EntityQuery("ticket"), cursor=None, page_size=1)) as pages:
            async for page in pages:
                said.append(str([entity.id for entity in page.entities]))

    said: list[str] = []
    for ask in (
        source.look,
        listed,
        lambda: source.count(EntityQuery("ticket"), within_seconds=5),
        lambda: source.read("ticket", ["1"]),
        source.remarks,
    ):
        try:
            said.append(str(await ask()))
        except (SourceUnreachable, SourceBroken) as problem:
            said.append(f"{problem} {problem!r}")
        source.connection.health.refused = None
    said += [str(source.connection.health), str(source.connection.outcomes), repr(source.connection.terms)]
    return said


STATUSES = (302, 400, 401, 403, 404, 429, 500, 503)
# every way once, and every status once
ECHOED = [*((way, 401) for way in WAYS), *(("oauth2", status) for status in STATUSES if status != 401)]
MORE = [one for one in product(WAYS, STATUSES) if one not in ECHOED]


@pytest.mark.parametrize(("way", "status"), [*ECHOED, *(pytest.param(*one, marks=pytest.mark.slow) for one in MORE)])
async def test_no_message_repeats_a_credential_that_is_echoed(
    api: Echoing, foreign: Echoing, making: Making, caplog: pytest.LogCaptureFixture, way: str, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    api.status = status
    api.location = f"{foreign.url}/{TOKEN}" if status == 302 else ""
    said = [*await told(making, api, way), caplog.text]

    assert any(f"answers {status}" in one for one in said)
    assert [] == [secret for secret in SECRETS if any(secret in one for one in said)]
    assert [] == [one.path for one in api.asked if any(secret in f"{one.path} {one.query}" for secret in SECRETS)]
    assert [] == foreign.asked


@pytest.mark.parametrize("way", ["bearer", "basic", "header", "oauth2"])
async def test_a_next_page_elsewhere_gets_no_credentials(
    api: Echoing, foreign: Echoing, making: Making, way: str
) -> None:
    api.body = lambda _: web.json_response({"data": [{"id": 1}], "next": f"{foreign.url}/records?{ONE}", "total": 1})
    said = await told(making, api, way)

    assert any("credentials go to the configured origin only" in one for one in said)
    assert [] == [secret for secret in SECRETS if any(secret in one for one in said)]
    assert [] == foreign.asked
