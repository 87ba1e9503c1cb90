"""A real server for any list of routes, and a client that talks to it over real HTTP.

client = await serve(routes(...))                     # an operator
client = await serve(routes(...), role="admin")
answer = await client.post("/public-api/things", json={...})
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import aiohttp
import pytest
from tests.support.clock import FakeClock

from backfilld.api.framework.routing import Route
from backfilld.api.framework.server import ApiServer, ServerOptions, doorkeeper
from backfilld.domain.access.callers import ROLES, Caller, Role


class RoleTokens:
    """Knows the bearer tokens `viewer`, `operator` and `admin`, so that a test need not make keys."""

    async def authenticate(self, token: str) -> Caller | None:
        role = next((role for role in ROLES if role == token), None)
        return Caller(f"key:{role}", f"the {role}", role) if role else None


class Client:
    """Talks to one server: `get`, `post`, … as in aiohttp, with paths instead of URLs."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.get, self.post, self.put = session.get, session.post, session.put
        self.patch, self.delete, self.head = session.patch, session.delete, session.head
        self.request = session.request


class Serve(Protocol):
    async def __call__(self, routes: Iterable[Route], *, role: Role | None = "operator", **settings: Any) -> Client: ...


@pytest.fixture
async def serve(clock: FakeClock) -> AsyncIterator[Serve]:
    """`await serve(routes)`: a client of a new server. `role` None sends no credentials.

    Further settings: `options` (ServerOptions), `authenticators` (besides RoleTokens), `clock`, `observe`.
    """
    async with AsyncExitStack() as stack:

        async def start(routes: Iterable[Route], *, role: Role | None = "operator", **settings: Any) -> Client:
            known = [RoleTokens(), *settings.pop("authenticators", [])]
            settings = {"clock": clock, "options": ServerOptions(stop_timeout_seconds=1)} | settings
            door = doorkeeper(known, settings["clock"], settings["options"])
            server = ApiServer(routes, door=door, **settings)
            await server.start()
            stack.push_async_callback(server.stop)
            headers = {"Authorization": f"Bearer {role}"} if role else {}
            timeout = aiohttp.ClientTimeout(total=20)
            session = aiohttp.ClientSession(base_url=server.url, headers=headers, timeout=timeout)
            return Client(server, await stack.enter_async_context(session))

        yield start
