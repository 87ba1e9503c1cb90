"""While the configuration is read again, everything else goes on."""

import asyncio
import threading
from pathlib import Path
from unittest.mock import Mock

import aiohttp
import pytest
from tests.support.daemon_within import daemon_within
from tests.support.waiting import eventually

from backfilld.app import Daemon, reloading
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


async def test_what_needs_a_restart_is_told_at_each_reload_until_the_file_is_again_as_it_was_at_start(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f'[server]\nport = 0\n[state]\ndirectory = "{tmp_path}"\n[database]\ndsn = "{dsn}"\n'
    changed = base + "[dashboard]\nrequire_reason = true\n"
    log = Mock()
    monkeypatch.setattr(reloading, "log", log)
    async with daemon_within(tmp_path, base) as daemon:
        for count, text in enumerate((changed, changed, base), 1):
            await asyncio.to_thread((tmp_path / "backfilld.toml").write_text, text)
            daemon.reload()
            await eventually(lambda count=count: log.info.call_count == count)

    assert [["dashboard"], ["dashboard"], None] == [
        told.kwargs["takes_effect_at_restart"] for told in log.info.call_args_list
    ]
