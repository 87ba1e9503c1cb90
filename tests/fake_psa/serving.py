"""What every fake API has: it counts who asks, can be told to answer something else, and is on 127.0.0.1 alone."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    json: Any = None


@dataclass
class Fake:
    """An application under test's control. `replies` are given first, in their order, whatever is asked."""

    asked: list[Asked] = field(default_factory=list)
    replies: deque[web.Response | Callable[[], web.Response] | None] = field(default_factory=deque)
    at_once: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)
    on_request: Callable[[Asked], None] = lambda _: None
    gate: asyncio.Event | None = None
    faults: list[str] = field(default_factory=list)
    url: str = ""

    def reply(self, status: int = 200, json: Any = None, text: str | None = None, **headers: str) -> None:
        """The next request gets this."""

        def made() -> web.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            if text is not None:
                return web.Response(status=status, text=text, headers=named, content_type="text/html")
            return web.json_response(json, status=status, headers=named)

        self.replies.append(made)

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._seen], client_max_size=64 * 1024 * 1024)
        app.add_routes(self.routes())
        return app

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    def endpoint(self, asked: Asked) -> str:
        return asked.path

    def takes_replies(self, asked: Asked) -> bool:
        """Whether this request may get one of `replies`."""
        return True

    @web.middleware
    async def _seen(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json() if request.can_read_body and "json" in request.content_type else None
        asked = Asked(request.method, request.path, dict(request.query), request.headers.copy(), body)
        self.asked.append(asked)
        self.on_request(asked)
        for name in ("", self.endpoint(asked)):
            self.at_once[name] += 1
            self.most_at_once[name] = max(self.most_at_once[name], self.at_once[name])
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.takes_replies(asked) and self.replies and (reply := self.replies.popleft()) is not None:
                return reply() if callable(reply) else reply
            return await handler(request)
        finally:
            for name in ("", self.endpoint(asked)):
                self.at_once[name] -= 1


@asynccontextmanager
async def serving(fake: Fake) -> AsyncIterator[Fake]:
    """The fake at `fake.url`; fails afterwards on whatever it took amiss."""
    server = TestServer(fake.application(), host="127.0.0.1")
    await server.start_server()
    fake.url = str(server.make_url("")).rstrip("/")
    try:
        yield fake
    finally:
        if fake.gate is not None:
            fake.gate.set()
        await server.close()
    assert not fake.faults, fake.faults
