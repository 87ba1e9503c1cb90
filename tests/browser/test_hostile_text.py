"""Text that others have chosen, as bad as it can be, on every page that shows it: it is text, and nothing else."""

import csv
import io
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import Dialog, Page
from tests.browser.conftest import Open, World
from tests.browser.test_look import look_at
from tests.support.backfills import ALWAYS
from tests.support.waiting import eventually

SCRIPT = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"
BACKWARDS = "\u202egnp.exe\u202c"
FORMULA = "=cmd|' /C calc'!A0"
LONG = "x" * 600 + " 🦄 " + "word " * 700
SAID = (SCRIPT, BACKWARDS, FORMULA, LONG)
IDS = ("<b>1</b>", f"2{BACKWARDS}", FORMULA, "4 🦄 %2F..?#&", '5" onfocus="window.pwned=1" autofocus="', "6" * 200)


@pytest.fixture
async def rude() -> AsyncIterator[str]:
    """A target that refuses each with words of its own."""

    async def answer(request: web.Request) -> web.Response:
        number = IDS.index((await request.json())["entity"]["id"])
        return web.Response(status=409, text=SAID[number % len(SAID)])

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest.fixture
async def one(world: World, rude: str) -> str:
    """The path of a backfill all of whose names and messages are bad."""
    await world.call("PUT", "/entities/ticket", [{"id": id, "attributes": {SCRIPT: SCRIPT}} for id in IDS])
    executor = {"type": "http", "url": rude}
    made = await world.call("POST", "/workflows", {"name": "rude", "executor": executor, "max_attempts": 1})
    body = {
        "entity_type": "ticket", "filter_spec": {}, "entity_ids": list(IDS), "daily_execution_windows": ALWAYS,
        "target_workflow_id": made["workflow"]["id"], "timezone": "UTC", "name": f"{SCRIPT}{BACKWARDS}",
        "reason": SCRIPT, "max_attempts": 1, "failure_policy": None, "max_in_flight": 1,
    }  # fmt: skip
    id = (await world.call("POST", "/backfills", body))["backfill"]["id"]

    async def has_ended() -> bool:
        return "completed_with_failures" == (await world.call("GET", f"/backfills/{id}"))["backfill"]["status"]

    await eventually(has_ended, seconds=30)
    return f"/backfills/{id}"


async def test_it_is_shown_as_it_is_and_does_nothing(world: World, open_page: Open, one: str) -> None:
    page = await open_page("admin", viewport={"width": 400, "height": 900})
    asked: list[Dialog] = []
    page.on("dialog", lambda dialog: asked.append(dialog))  # noqa: PLW0108  # it takes no built-in method
    paths = (
        "/", f"/?q={SCRIPT}", one, f"{one}/entities", f"{one}/errors", f"{one}/timeline", f"{one}/settings",
        f"{one}/rerun", f"{one}/delete", f"/backfills/new?clone={one.rpartition('/')[2]}", "/system/workflows",
        "/system/audit",
    )  # fmt: skip
    for path in paths:
        await page.goto(path)
        await look_at(page, f"hostile{path.replace(one, '').replace('/', ' ')[:20]}")
        await _is_harmless(page)
    await page.goto(f"{one}/entities")
    links = [await link.get_attribute("href") for link in await page.locator("table.ledger .id a").all()]

    assert len(IDS) == len(links)
    for id, link in zip(IDS, links, strict=True):
        await page.goto(str(link))
        assert id in await page.inner_text("main")
        await look_at(page, f"hostile entity {IDS.index(id)}")
        await _is_harmless(page)
    await page.goto(str(links[3]))
    assert LONG[:400] in await page.inner_text("main"), "an entity's own page has all that was said"
    assert [] == asked


async def _is_harmless(page: Page) -> None:
    assert await page.evaluate("window.pwned === undefined")
    assert 0 == await page.locator("main script, main img, [onfocus], [onerror]").count()


async def test_a_spreadsheet_takes_nothing_for_a_formula(world: World, open_page: Open, one: str) -> None:
    page = await open_page("viewer")
    await page.goto(f"{one}/entities")
    async with page.expect_download() as waited:
        await page.get_by_role("link", name="CSV").click()
    path = await (await waited.value).path()
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))

    assert [f"'{FORMULA}" if id == FORMULA else id for id in IDS] == [row["entity_id"] for row in rows]
    assert f"HTTP 409 Conflict: {FORMULA}" in [row["error"] for row in rows]
    assert not [cell for row in rows for cell in row.values() if cell and cell[0] in "=+-@\t\r"]
