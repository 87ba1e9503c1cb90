"""A page that is followed says what is new where it stands, and does not jump under whoever reads it."""

import asyncio
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
from playwright.async_api import Page, expect
from tests.browser.conftest import Open, World
from tests.support.all_routes import all_routes
from tests.support.waiting import eventually

from backfilld.web.pages.system.tabs import LIVE

LOOKS_MS = 1_300  # one look of the hub, and its message
# What works says more or less from one second to the next: there words move within a sentence.
MOST, MOST_OF_WORK = 0.003, 0.02
TABS = ("", "/entities", "/errors", "/timeline", "/settings")
STREAMS = sorted(route.path for route in all_routes() if route.path.startswith("/events/"))
# From now on: what is written anew by what is sent, not the seconds that count on; and what jumps.
CHANGES = """
window.changed = window.shifted = 0;
window.moved = [];
new MutationObserver((list) => {
  for (const { target } of list) if (!(target.parentElement ?? target).closest("[data-rel], #lamp")) window.changed++;
}).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true, attributes: true });
"""


async def scheduled(world: World) -> tuple[str, str]:
    """The ids of a schedule, and of a session of it that is at work for ever."""
    target = (await world.call("GET", "/workflows"))["workflows"][0]["executor"]["url"].rpartition("/")[0]
    made = await world.call("POST", "/workflows", {
        "name": "daily", "executor": {"type": "http", "url": f"{target}/held"}, "schedule": {"daily>": "07:00:00"},
    })  # fmt: skip
    body = {"workflowId": made["workflow"]["id"], "sessionTime": datetime.now(UTC).isoformat(), "params": {}}
    headers = {"Authorization": f"Bearer {world.keys['admin']}"}
    async with aiohttp.ClientSession(world.url, headers=headers) as asks:
        async with asks.put("/api/attempts", json=body) as answer:
            attempt = await answer.json()

        async def is_at_work() -> bool:
            async with asks.get(f"/api/attempts/{attempt['id']}") as answer:
                return bool((await answer.json())["status"] == "running")

        await eventually(is_at_work, seconds=30)
        async with asks.get("/api/schedules") as answer:
            (schedule,) = (await answer.json())["schedules"]
    return schedule["id"], attempt["sessionId"]


async def look_on(page: Page, path: str, *, moves: bool) -> str:
    """Follow that page for a while; what jumps on it."""
    await page.goto(path)
    await expect(page.locator("#lamp")).to_have_attribute("data-state", "live")
    await page.evaluate(CHANGES)
    await page.wait_for_timeout(LOOKS_MS)
    if moves:  # or else it would be tested that nothing happens
        await page.wait_for_function("window.changed > 0")
    shifted, moved = await page.evaluate("[window.shifted, window.moved]")
    return f"{path}: {moved}" if shifted > (MOST_OF_WORK if moves else MOST) else ""


async def test_no_page_jumps_while_it_is_followed(world: World, open_page: Open) -> None:
    schedule, session = await scheduled(world)
    moving = ["/", "/?show=working", *(world.path("busy", tab) for tab in TABS)]
    still = [
        world.path("refused"),
        world.path("nights"),
        "/schedules",
        f"/schedules/{schedule}",
        f"/sessions/{session}",
        *(tab.path for tab in LIVE.values()),
    ]
    followed: set[str] = set()
    pages = [await open_page("operator", viewport={"width": width, "height": 900}) for width in (1280, 400)]
    for page in pages:
        page.on("request", lambda request: followed.add(urlsplit(request.url).path))
    for path in dict.fromkeys([*moving, *still]):
        found = await asyncio.gather(*(look_on(page, path, moves=path in moving) for page in pages))

        assert ["", ""] == found
    unseen = [
        path for path in STREAMS if not any(re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), one) for one in followed)
    ]
    assert [] == unseen
