"""While the configuration is read again, everything else goes on."""

import asyncio
import threading
from pathlib import Path

import aiohttp
from tests.support.waiting import eventually

from backfilld.app import Daemon
from backfilld.config import Settings, load_settings


async def test_the_daemon_answers_while_a_large_file_is_read(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "backfilld.toml"
    file.write_text(
        f'[server]\nport = 0\n[state]\ndirectory = "{tmp_path}"\n[database]\ndsn = "{dsn}"\n[logging]\nlevel = "info"\n'
    )
    reading, answered = threading.Event(), threading.Event()

    def load() -> Settings:
        reading.set()
        assert answered.wait(60)
        return load_settings(file, {})

    daemon = Daemon(load_settings(file, {}), load)
    running = asyncio.create_task(daemon.run())
    try:
        await eventually(lambda: daemon.url)
        daemon.reload()
        await eventually(reading.is_set)
        async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/healthz") as answer:
            status = answer.status
        answered.set()
    finally:
        answered.set()
        daemon.stop()
        await running

    assert 200 == status
