"""Whoever only sits there keeps nobody out."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack

import pytest
from tests.api.conftest import Client, Serve
from tests.support.targets import CERTIFICATE
from tests.support.waiting import eventually

from backfilld.api.client_addresses import ClientAddresses
from backfilld.api.framework.connections import ConnectionLimits
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.framework.server import ServerOptions
from backfilld.api.framework.tls import Certificate
from backfilld.config.sections.server import ServerSettings
from backfilld.config.sections.tls import server_context

LIMITS = ConnectionLimits(most=12, most_per_address=6)
OTHER_ADDRESS = "127.0.0.2"
Sit = Callable[..., Awaitable[list[socket.socket]]]


@pytest.fixture
async def sit() -> AsyncIterator[Sit]:
    """Connections that say `words`, and nothing more."""
    with ExitStack() as stack:

        async def connect(client: Client, count: int, words: bytes = b"", address: str = "127.0.0.1"):
            made = []
            for _ in range(count):
                sock = stack.enter_context(socket.socket())
                sock.bind((address, 0))
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", client.server.port))
                await asyncio.get_running_loop().sock_sendall(sock, words)
                made.append(sock)
            return made

        yield connect


class Work:
    """A route that answers when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def do(self, _: RequestContext[None, None]) -> Reply:
        self.begun += 1
        await self.may_end.wait()
        return Reply({})


async def hello(_: RequestContext[None, None]) -> Reply:
    return Reply({})


def routes(work: Work | None = None) -> list[Route]:
    return [
        Route("GET", "/public-api/hello", hello, None, "Hello", None),
        Route("GET", "/public-api/work", (work or Work()).do, None, "Work", None),
    ]


def options(limits: ConnectionLimits = LIMITS, **more) -> ServerOptions:
    return ServerOptions(connections=limits, stop_timeout_seconds=0.1, **more)


async def is_cut(sock: socket.socket) -> bool:
    try:
        return not await asyncio.get_running_loop().sock_recv(sock, 1000)
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "words", [b"", b"GET /public-api/hello HT", b"GET /public-api/hello HTTP/1.1\r\nHost: x\r\nX-A: "]
)
async def test_idle_connections_and_half_requests_shut_nobody_out(serve: Serve, sit: Sit, words) -> None:
    client = await serve(routes(), options=options())
    crowd = await sit(client, 40, words)
    async with client.get("/public-api/hello") as answer:
        status = answer.status

    assert 200 == status
    assert await is_cut(crowd[0])


async def test_handshakes_that_never_come_shut_nobody_out(serve: Serve, sit: Sit) -> None:
    certificate = Certificate(server_context(CERTIFICATE, None))
    client = await serve(routes(), options=options(certificate=certificate))
    crowd = await sit(client, 40)
    async with client.get("/public-api/hello", ssl=False) as answer:
        status = answer.status

    assert 200 == status
    assert await is_cut(crowd[0])


async def test_a_crowd_at_one_address_takes_no_place_of_others(serve: Serve, sit: Sit) -> None:
    client = await serve(routes(), options=options())
    (kept,) = await sit(client, 1, address=OTHER_ADDRESS)
    await sit(client, 40)
    await asyncio.get_running_loop().sock_sendall(kept, b"GET /public-api/hello HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await asyncio.get_running_loop().sock_recv(kept, 1000)

    assert answer.startswith(b"HTTP/1.1 200")


async def test_whoever_has_a_request_under_way_keeps_his_place_and_a_newcomer_is_turned_away(serve: Serve, sit) -> None:
    work = Work()
    client = await serve(routes(work), options=options())
    asked = [asyncio.create_task(status_of(client, "/public-api/work")) for _ in range(LIMITS.most_per_address)]
    await eventually(lambda: work.begun == LIMITS.most_per_address)
    (turned_away,) = await sit(client, 1)
    said = await asyncio.get_running_loop().sock_recv(turned_away, 1000)
    work.may_end.set()

    assert said.startswith(b"HTTP/1.1 503")
    assert b'"code":"too_many_connections"' in said
    assert [200] * LIMITS.most_per_address == await asyncio.gather(*asked)


async def test_a_trusted_proxy_is_bounded_in_all_only(serve: Serve, sit: Sit) -> None:
    proxies = ClientAddresses(ServerSettings(trusted_proxies=("127.0.0.1",)).proxies)
    work = Work()
    client = await serve(routes(work), options=options(addresses=proxies))
    asked = [asyncio.create_task(status_of(client, "/public-api/work")) for _ in range(LIMITS.most)]
    await eventually(lambda: work.begun == LIMITS.most)
    work.may_end.set()

    assert [200] * LIMITS.most == await asyncio.gather(*asked)


async def test_a_place_is_free_again_after_each_connection(serve: Serve, sit: Sit) -> None:
    work = Work()
    client = await serve(routes(work), options=options())
    for sock in await sit(client, LIMITS.most_per_address):
        sock.close()
    for _ in range(3 * LIMITS.most):
        assert 200 == await status_of(client, "/public-api/hello", close=True)
    work.may_end.set()

    assert [200] * 6 == await asyncio.gather(*(status_of(client, "/public-api/work") for _ in range(6)))


async def status_of(client: Client, path: str, *, close: bool = False) -> int:
    async with client.get(path, headers={"Connection": "close"} if close else {}) as answer:
        return answer.status
