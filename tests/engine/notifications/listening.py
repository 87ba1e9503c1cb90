"""An endpoint of somebody else's, on a real port: it answers as a test says, and keeps what came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class Listening:
    """`answers`: one status after the other, the last for good; 0 hangs until `let_go`."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[dict[str, str], Any, bytes]] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received.append((dict(request.headers), orjson.loads(body), body))
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not status:
            await self.let_go.wait()
            status = 500
        return web.Response(status=status, headers=self.headers)

    @property
    def types(self) -> list[str]:
        """In the order of what happened, which is not promised to be that of arrival."""
        bodies = [body for _, body, _ in self.received if "type" in body]
        return [body["type"] for body in sorted(bodies, key=lambda body: body["data"]["sequence"])]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _, _ in self.received]


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    """One on a port of its own."""
    found = Listening()
    app = web.Application()
    app.router.add_post("/{path:.*}", found.answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    found.url = str(server.make_url("/hook"))
    try:
        yield found
    finally:
        found.let_go.set()
        await server.close()
