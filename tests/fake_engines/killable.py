"""A fake engine on one port, that can be killed and comes back: what it holds is kept, and goes on."""

from typing import Protocol

from aiohttp import web


class Fake(Protocol):
    def application(self) -> web.Application: ...


class KillableServer:
    """Serves `fake` on the same port in each of its lives."""

    def __init__(self, fake: Fake) -> None:
        self.port = 0
        self._fake = fake
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        self._runner = web.AppRunner(self._fake.application(), access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def kill(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
