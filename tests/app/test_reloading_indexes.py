"""SIGHUP reads the indexes of attributes anew, on a whole daemon."""

import asyncio
from pathlib import Path

import aiohttp
from tests.support.daemon_within import daemon_within
from tests.support.waiting import eventually

from backfilld.clock import SystemClock
from backfilld.domain.access.callers import Actor
from backfilld.operations.keys import create_key
from backfilld.store.connection.pool import Pool


async def test_indexes_come_and_go_with_the_file(dsn: str, pool: Pool, tmp_path: Path) -> None:
    key = await create_key(pool, SystemClock(), name="ops", role="viewer", actor=Actor.local("cli"))
    base = f'[server]\nport = 0\n[state]\ndirectory = "{tmp_path}"\n[database]\ndsn = "{dsn}"\n'
    async with daemon_within(tmp_path, base + '[entity_types.ticket]\nindexes = ["status"]\n') as daemon:

        async def indexes() -> list[tuple[str, str]]:
            url, headers = f"{daemon.url}/public-api/entity-types", {"Authorization": f"Bearer {key.key}"}
            async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
                types = (await answer.json())["data"]["entity_types"]
            ticket = next(one for one in types if one["name"] == "ticket")
            return [(index["field"], index["state"]) for index in ticket["indexes"]]

        async def is_ready(*fields: str) -> bool:
            return await indexes() == [(field, "ready") for field in fields]

        await eventually(lambda: is_ready("status"))
        more = '[entity_types.ticket]\nindexes = ["account.id", "status"]\n'
        await asyncio.to_thread((tmp_path / "backfilld.toml").write_text, base + more)
        daemon.reload()
        await eventually(lambda: is_ready("account.id", "status"))
        await asyncio.to_thread((tmp_path / "backfilld.toml").write_text, base)
        daemon.reload()
        await eventually(is_ready)
