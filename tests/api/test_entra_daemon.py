"""The whole way: a file with [auth.entra], a daemon, a person with a token, and the key that he makes for a service."""

from pathlib import Path

import aiohttp
from tests.support.daemon_within import daemon_within
from tests.support.issuer import CLIENT, TENANT, running_issuer

from backfilld.clock import SystemClock

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
        text = FILE.format(dsn=dsn, client=CLIENT, tenant=TENANT, authority=issuer.url)
        async with daemon_within(tmp_path, text) as daemon, aiohttp.ClientSession(base_url=daemon.url) as session:
            wanted = {"name": "ci", "role": "admin"}
            person = {"Authorization": f"Bearer {issuer.token(roles=['Everything'])}"}
            made = await session.post("/public-api/api-keys", json=wanted, headers=person)
            key = {"Authorization": f"Bearer {(await made.json())['data']['api_key']['key']}"}
            listed = await session.get("/public-api/api-keys", headers=key)
            refused = await session.post("/public-api/api-keys", json=wanted, headers=key)

    assert [201, 200, 403] == [made.status, listed.status, refused.status]
