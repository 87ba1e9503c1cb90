"""The whole way: a file with [auth.entra], a daemon, a person with a token, and the key that he makes for a service."""

import asyncio
from pathlib import Path

import aiohttp
from tests.support.issuer import CLIENT, TENANT, running_issuer
from tests.support.waiting import eventually

from backfilld.app import Daemon
from backfilld.clock import SystemClock
from backfilld.config import load_settings

FILE = """
[server]
port = 0
[state]
directory = "state"
[database]
dsn = "{dsn}"
[auth]
key_environment = "test"
[auth.entra]
client_id = "{client}"
tenants = ["{tenant}"]
roles = {{ "Everything" = "admin" }}
authority = "{authority}"
"""


async def test_a_person_makes_a_key_and_the_key_makes_none(dsn: str, tmp_path: Path) -> None:
    async with running_issuer(SystemClock()) as issuer:
        file = tmp_path / "backfilld.toml"
        file.write_text(FILE.format(dsn=dsn, client=CLIENT, tenant=TENANT, authority=issuer.url))
        settings = load_settings(file, {})
        daemon = Daemon(settings, lambda: settings)
        running = asyncio.create_task(daemon.run())
        await eventually(lambda: daemon.url or running.done())
        async with aiohttp.ClientSession(base_url=daemon.url) as session:
            wanted = {"name": "ci", "role": "admin"}
            person = {"Authorization": f"Bearer {issuer.token(roles=['Everything'])}"}
            made = await session.post("/public-api/api-keys", json=wanted, headers=person)
            key = {"Authorization": f"Bearer {(await made.json())['data']['api_key']['key']}"}
            listed = await session.get("/public-api/api-keys", headers=key)
            refused = await session.post("/public-api/api-keys", json=wanted, headers=key)
        daemon.stop()
        await running

    assert [201, 200, 403] == [made.status, listed.status, refused.status]
