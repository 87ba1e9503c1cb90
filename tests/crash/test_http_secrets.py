"""Credentials go to the host that they are for: nothing that a daemon says, writes or shows repeats them."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.daemon import DaemonProcess

from backfilld.client import ApiError

SECRET = "s3cret-of-the-api-0123456789"


class Echoing(GenericApi):
    """Refuses everything, and says what it was sent; in the end leads elsewhere."""

    async def keyset(self, request: web.Request) -> web.Response:
        said = {"error": f"unknown: {request.headers['Authorization']}", "echo": dict(request.headers)}
        return web.json_response(said, status=403, headers={"X-Echo": request.headers["Authorization"]})

    async def count(self, request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:1/{SECRET}"})


@pytest.fixture
async def api() -> AsyncIterator[Echoing]:
    async with serving(Echoing([{"id": 1}])) as fake:
        yield fake


def text_of(url: str) -> str:
    return f"""
[connections.crm]
url = "{url}"
auth = {{ type = "bearer", token = {{ secret = "crm" }} }}
allow_private_address = true
[entity_types.ticket]
source = "http"
[entity_types.ticket.http]
connection = "crm"
path = "/keyset"
records = "data"
paging = {{ type = "keyset", parameter = "after", order = {{ order = "id" }} }}
count = {{ path = "/count", value = "total" }}
plan_outside_windows = true
"""


async def test_no_output_of_a_daemon_holds_a_credential(daemon: DaemonProcess, dsn: str, api: Echoing) -> None:
    file = daemon.folder / "crm"
    file.write_text(SECRET)
    daemon.configure(replace(daemon.plan, more=text_of(api.url), secrets={"crm": file}))
    await daemon.start()
    told = []
    with suppress(ApiError):
        await daemon.create()
    for ask in (
        lambda: daemon.client.verify_filter("ticket", {}),
        daemon.client.list_entity_types,
        daemon.client.list_sources,
        lambda: daemon.client.test_source("ticket"),
        daemon.create,
        daemon.client.list_backfills,
        daemon.client.list_audit_log,
    ):
        try:
            answer = await ask()
            told.append(json.dumps(getattr(answer, "data", answer)))
        except ApiError as problem:
            told.append(str(problem))
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/metrics") as answer:
        told.append(await answer.text())
    told.append(daemon.output.read_text())
    async with await connected(dsn) as connection:
        tables = ("backfills", "audit_log", "outages", "revisions")
        for table in tables:
            told += [str(dict(row)) for row in await connection.fetch(f"SELECT * FROM {table}")]  # noqa: S608

    assert any("403" in text for text in told)
    assert any("backfilld_source_requests_total" in text for text in told)
    assert [] == [text for text in map(str, told) if SECRET in text]
    assert f"Bearer {SECRET}" in {one.headers["Authorization"] for one in api.asked}


async def connected(dsn: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(dsn, min_size=1, max_size=1)
