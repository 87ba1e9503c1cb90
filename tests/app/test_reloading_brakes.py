"""SIGHUP reads brakes and endpoints of notifications anew, on a whole daemon."""

import asyncio
from pathlib import Path

import aiohttp
from tests.engine.notifications.listening import listening
from tests.support.daemon_within import daemon_within
from tests.support.waiting import eventually

from backfilld.app import Daemon


async def test_brakes_and_endpoints_come_and_go_with_the_file(dsn: str, tmp_path: Path) -> None:
    base = (
        f'[server]\nport = 0\n[state]\ndirectory = "{tmp_path}"\n[database]\ndsn = "{dsn}"\n[metrics]\npublic = true\n'
    )
    brake = '[brakes.freeze]\ntype = "file"\npath = "freeze"\n'
    (tmp_path / "freeze").write_text("the migration runs")
    file = tmp_path / "backfilld.toml"
    async with listening() as hook, daemon_within(tmp_path, base + brake) as daemon:

        async def holds() -> bool:
            return 'backfilld_brake_holds{brake="freeze"} 1.0' in await metrics(daemon)

        async def is_gone() -> bool:
            return "brake_holds{" not in await metrics(daemon)

        await eventually(holds)
        endpoint = f'[[notifications]]\nname = "desk"\nurl = "{hook.url}"\n'
        await asyncio.to_thread(file.write_text, base + endpoint)
        daemon.reload()
        await eventually(is_gone)
        told = await metrics(daemon)

    assert "backfilld_brake_holds{" not in told


async def metrics(daemon: Daemon) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/metrics") as answer:
        return await answer.text()
