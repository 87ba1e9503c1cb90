"""Which route a request is for, while most of them are still being made.

What answers people is a third of what a start has to import, and nothing that runs by itself needs it. So a server may
listen with the few routes by which its health is seen, and be given every route later. Whoever asks for another one
meanwhile waits until it is there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from backfilld.api.framework.router import Match, OtherMethods, Router
from backfilld.api.framework.routing import Route
from backfilld.domain.errors import BackfilldError

ErrorPage = Callable[[web.Request, BackfilldError, UUID], Awaitable[web.Response | None]]  # None: no page, but JSON


@dataclass(frozen=True, slots=True)
class EveryRoute:
    """All of them, those that were there before included; and what shows errors to people."""

    routes: Sequence[Route]
    error_page: ErrorPage | None = None


class RouteTable:
    """`routes` from the start; what `every` gives in their place, once it was asked for."""

    def __init__(
        self,
        routes: Iterable[Route],
        error_page: ErrorPage | None = None,
        every: Callable[[], Awaitable[EveryRoute]] | None = None,
    ) -> None:
        self.error_page = error_page
        self._router = Router(routes)
        self._every = every
        self._making: asyncio.Task[None] | None = None

    async def find(self, method: str, raw_path: str) -> Match | OtherMethods | None:
        """As `Router.find`, of every route."""
        found = self._router.find(method, raw_path)
        if found is None and self._every is not None:
            await self.complete()
            found = self._router.find(method, raw_path)
        return found

    async def complete(self) -> None:
        """Return when every route is there; whoever comes first has them made. Raises what kept them from that."""
        if self._every is None:
            return
        if self._making is None:
            self._making = asyncio.create_task(self._make(self._every), name="routes")
        await asyncio.shield(self._making)  # it goes on when one of those who wait goes away

    async def _make(self, every: Callable[[], Awaitable[EveryRoute]]) -> None:
        made = await every()
        self._router, self.error_page, self._every = Router(made.routes), made.error_page, None
