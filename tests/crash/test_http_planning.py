"""The daemon dies while it plans over an API, page after page, and nothing is lost or planned twice."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from tests.crash.mortal import points
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.daemon import DaemonProcess
from tests.support.waiting import eventually

from backfilld.client import ServerUnreachable
from backfilld.crash_points import VARIABLE, Point

KEYSET = '{ type = "keyset", parameter = "after", size_parameter = "limit", size = 20, order = { order = "id" } }'
PAGES = {
    "keyset": KEYSET,
    "page": '{ type = "page", parameter = "page", size_parameter = "limit", size = 20, total = "total" }',
    "offset": '{ type = "offset", parameter = "offset", size_parameter = "limit", size = 20, total = "total" }',
    "cursor": '{ type = "cursor", parameter = "cursor", cursor = "meta.next", size_parameter = "limit", size = 20 }',
    "link": '{ type = "link_header", size_parameter = "limit", size = 20 }',
    "next": '{ type = "next_url", url = "next", size_parameter = "limit", size = 20 }',
    "children": KEYSET,
}
PASSES = 5
SECRET = "s3cret-of-the-api-0123456789"


@pytest.fixture
async def api() -> AsyncIterator[GenericApi]:
    fake = GenericApi([{"id": n} for n in range(250)])
    fake.notes = {n: [{"id": m} for m in range(n % 3)] for n in range(250)}
    async with serving(fake):
        yield fake


def text_of(url: str, kind: str) -> str:
    path, more = f"/{kind}", ""
    if kind == "children":
        path, more = "/companies/{parent}/notes", 'parent = { type = "company" }'
    return f"""
[connections.crm]
url = "{url}"
auth = {{ type = "bearer", token = {{ secret = "crm" }} }}
allow_private_address = true
[entity_types.company]
source = "http"
[entity_types.company.http]
connection = "crm"
path = "/keyset"
records = "data"
paging = {KEYSET}
[entity_types.ticket]
source = "http"
[entity_types.ticket.http]
connection = "crm"
path = "{path}"
records = "data"
paging = {PAGES[kind]}
plan_outside_windows = true
{more}
"""


def expected(api: GenericApi, kind: str) -> list[str]:
    if kind != "children":
        return sorted(str(id) for id in api.records)
    return sorted(f"{parent}/{note['id']}" for parent, notes in api.notes.items() for note in notes)


async def planned(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return sorted(row["entity_id"] for row in await connection.fetch("SELECT entity_id FROM plan_items"))
    finally:
        await connection.close()


@points(Point.PLANNER_PAGE_AFTER_COMMIT, slow=(Point.PLANNER_PAGE_BEFORE_COMMIT,))
@pytest.mark.parametrize(
    "kind", ["keyset", *(pytest.param(kind, marks=pytest.mark.slow) for kind in PAGES if kind != "keyset")]
)
async def test_a_killed_planner_loses_no_entity_and_asks_for_one_page_again(
    daemon: DaemonProcess, dsn: str, api: GenericApi, kind: str, point: Point
) -> None:
    file = daemon.folder / "crm"
    file.write_text(SECRET)
    daemon.configure(replace(daemon.plan, more=text_of(api.url, kind), secrets={"crm": file}))
    daemon.environment = {VARIABLE: f"{point}:{PASSES}"}
    await daemon.start()
    with suppress(ServerUnreachable):  # it may be dead before it has answered
        await daemon.create(start="when_approved")
    await daemon.ended()
    api.asked.clear()
    before = len(await planned(dsn))
    daemon.environment = {}
    await daemon.start()

    async def frozen() -> dict[str, Any] | None:
        [found] = [one async for one in daemon.client.every("backfills", "/backfills")]
        return found if found["status"] == "paused" else None

    await eventually(frozen)

    assert expected(api, kind) == await planned(dsn)
    if kind != "children":
        assert len(api.asked) <= (250 - before) // 20 + 2
    assert SECRET not in daemon.output.read_text()
