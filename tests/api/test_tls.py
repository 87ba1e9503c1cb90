"""A server that speaks TLS itself."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.support.clock import FakeClock
from tests.support.targets import CERTIFICATE

from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.framework.server import ApiServer, ServerOptions, doorkeeper
from backfilld.api.framework.tls import Certificate
from backfilld.config.sections.tls import server_context

RENEWED = Path(__file__).parents[1] / "support" / "renewed.pem"


async def hello(_: RequestContext[None, None]) -> Reply:
    return Reply({"hello": True}, headers={"Location": "/public-api/hello/7"})


ROUTES = [Route("GET", "/public-api/hello", hello, None, "Hello", None)]


@pytest.fixture
def certificate() -> Certificate:
    return Certificate(server_context(CERTIFICATE, None))


@pytest.fixture
async def server(clock: FakeClock, certificate: Certificate) -> AsyncIterator[ApiServer]:
    options = ServerOptions(certificate=certificate, public_url="https://b.example.com/x", stop_timeout_seconds=1)
    server = ApiServer(ROUTES, door=doorkeeper([], clock, options), clock=clock, options=options)
    await server.start()
    yield server
    await server.stop()


def trusting(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(file))


async def status(url: str, tls: ssl.SSLContext) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/public-api/hello", ssl=tls) as answer:
        return answer.status


async def test_it_answers_under_its_certificate(server: ApiServer) -> None:
    assert server.url.startswith("https://127.0.0.1:")
    assert 200 == await status(server.url, trusting(CERTIFICATE))


async def test_who_does_not_trust_the_certificate_is_not_served(server: ApiServer) -> None:
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await status(server.url, trusting(RENEWED))


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_renewed_certificate_counts_from_the_next_connection(
    server: ApiServer, certificate: Certificate, name: str
) -> None:
    url = server.url.replace("127.0.0.1", name)
    tls = trusting(CERTIFICATE)
    async with aiohttp.ClientSession() as session:
        before = await session.get(f"{server.url}/public-api/hello", ssl=tls)
        await before.read()
        certificate.exchange(server_context(RENEWED, None))
        kept = await session.get(f"{server.url}/public-api/hello", ssl=tls)

        assert (200, 200) == (before.status, kept.status)
    assert 200 == await status(url, trusting(RENEWED))


async def test_plain_http_is_not_spoken_beside_it(server: ApiServer) -> None:
    with pytest.raises(aiohttp.ClientError):
        await status(server.url.replace("https", "http"), trusting(CERTIFICATE))


async def test_old_versions_of_tls_are_refused(server: ApiServer) -> None:
    old = trusting(CERTIFICATE)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert 200 == await status(server.url, old)

    too_old = trusting(CERTIFICATE)
    too_old.set_ciphers("DEFAULT:@SECLEVEL=0")
    too_old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        too_old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(aiohttp.ClientConnectorError):
        await status(server.url, too_old)


async def test_nonsense_instead_of_a_handshake_hurts_nobody(server: ApiServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x16\x03\x01\xff\xff" + b"\0" * 400)
    await reader.read()
    writer.close()

    assert 200 == await status(server.url, trusting(CERTIFICATE))


async def test_places_in_answers_are_below_the_public_address(server: ApiServer) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"{server.url}/public-api/hello", ssl=trusting(CERTIFICATE))

    assert "https://b.example.com/x/public-api/hello/7" == answer.headers["Location"]
