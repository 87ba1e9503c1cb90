"""The whole daemon in the process of the test, on a file of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from tests.support.waiting import eventually

from backfilld.app import Daemon
from backfilld.config import load_settings

START_PATIENCE_SECONDS = 60.0


@asynccontextmanager
async def daemon_within(folder: Path, text: str) -> AsyncIterator[Daemon]:
    """One that is ready: before it has looked at its database it answers 503, and stopped it would leave loose ends."""
    file = folder / "backfilld.toml"
    file.touch(mode=0o600)  # it may hold secrets
    file.write_text(text)
    daemon = Daemon(load_settings(file, {}), lambda: load_settings(file, {}))
    running = asyncio.create_task(daemon.run())

    async def is_ready() -> bool:
        if not daemon.url or running.done():
            return running.done()
        async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/readyz", ssl=False) as answer:
            return 200 == answer.status

    try:
        await eventually(is_ready, seconds=START_PATIENCE_SECONDS)
        yield daemon
    finally:
        daemon.stop()
        await running
