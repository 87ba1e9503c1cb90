"""Schedules in a browser: readable everywhere, live, and backfilled as shown, with script and without."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from playwright.async_api import expect
from tests.browser.conftest import Open, World
from tests.browser.test_look import look_at, violations
from tests.support.waiting import eventually

Ask = Callable[..., Awaitable[Any]]
MOST_SEEN = ("schedules", "schedule", "again", "session")  # the others are looked at narrow by day, and wide by night


@pytest.fixture
async def ask(world: World) -> Any:
    """Asks the dialect as an admin."""
    headers = {"Authorization": f"Bearer {world.keys['admin']}"}
    async with aiohttp.ClientSession(world.url, headers=headers) as session:

        async def asked(method: str, path: str, body: Any = None) -> Any:
            async with session.request(method, "/api" + path, json=body) as answer:
                assert answer.status < 300, await answer.text()
                return await answer.json()

        yield asked


@pytest.fixture
async def plans(world: World, ask: Ask) -> dict[str, str]:
    """The ids of schedules: `broken` has failed, `idle` never ran."""
    target = (await world.call("GET", "/workflows"))["workflows"][0]["executor"]["url"].rpartition("/")[0]
    for name, path in (("broken", "/flaky"), ("idle", "/done")):
        executor = {"type": "http", "url": target + path}
        await world.call("POST", "/workflows", {
            "name": name, "executor": executor, "schedule": {"daily>": "07:00:00"}, "timezone": "Asia/Tokyo",
            "max_attempts": 1,
        })  # fmt: skip
    ids = {one["workflow"]["name"]: one["id"] for one in (await ask("GET", "/schedules"))["schedules"]}
    start = (datetime.now(UTC) - timedelta(days=5)).isoformat()  # a real daemon runs by the real time
    made = await ask("POST", f"/schedules/{ids['broken']}/backfill", {
        "fromTime": start, "attemptName": "before", "dryRun": False, "count": 3,
    })  # fmt: skip

    async def has_failed() -> bool:
        last = await ask("GET", f"/attempts/{made['attempts'][-1]['id']}")
        return bool(last["done"])

    await eventually(has_failed, seconds=30)
    return ids | {"session": made["attempts"][-1]["sessionId"]}


async def test_every_page_of_schedules_is_readable_and_fits(
    world: World, open_page: Open, plans: dict[str, str]
) -> None:
    one = f"/schedules/{plans['broken']}"
    paths = {
        "schedules": "/schedules", "no schedule": "/schedules?q=nothing", "schedule": one, "skip": one + "/skip",
        "disable": one + "/disable", "again": one + "/backfill", "empty": one + "/backfill?empty=1",
        "idle": f"/schedules/{plans['idle']}", "session": f"/sessions/{plans['session']}",
        "retry": f"/sessions/{plans['session']}/retry",
    }  # fmt: skip
    looks: list[tuple[Any, int]] = [("light", 1280), ("light", 400), ("dark", 1280), ("dark", 400)]
    for theme, width in looks:
        page = await open_page("operator", color_scheme=theme, viewport={"width": width, "height": 900})
        for name, path in paths.items():
            if name not in MOST_SEEN and (theme, width) not in (("light", 400), ("dark", 1280)):
                continue
            await page.goto(path)
            await page.wait_for_timeout(1_200 if name in ("schedules", "schedule") else 0)  # one look of the hub
            await look_at(page, f"{name}-{theme}-{width}")

            assert 0.01 > await page.evaluate("window.shifted"), f"{name} jumps: {await page.evaluate('window.moved')}"
        await page.context.close()


@pytest.mark.parametrize("has_script", [True, False])
async def test_a_schedule_is_backfilled_as_shown(open_page: Open, plans: dict[str, str], has_script: bool) -> None:
    page = await open_page("operator", java_script_enabled=has_script)
    await page.goto("/schedules")
    await page.get_by_role("link", name="idle").click()
    await page.get_by_role("link", name="Backfill…").click()
    await expect(page.locator("#preview .big")).to_contain_text("7 to run of 7 slots")
    await page.fill("#count", "2")
    await page.fill("#name", "by hand")
    if has_script:
        await expect(page.locator("#preview .big")).to_contain_text("2 to run of 2 slots")
        assert "name" == await page.evaluate("document.activeElement.id")
        assert [] == await violations(page)
    else:
        await page.click("button[value=run]")
        await expect(page.get_by_role("alert")).to_contain_text("The form was changed since this was shown")
        await expect(page.locator("#preview .big")).to_contain_text("2 to run of 2 slots")
    await page.click("button[value=run]")

    await expect(page.locator("h1")).to_contain_text("by hand")


async def test_a_schedule_is_steered_in_dialogs_and_its_page_follows(
    open_page: Open, plans: dict[str, str], ask: Ask
) -> None:
    path = f"/schedules/{plans['broken']}"
    page = await open_page("operator")
    await page.goto(path)
    await page.click("#verb-disable")
    await page.fill("dialog textarea", "the warehouse moves")
    await page.get_by_role("button", name="Disable", exact=True).click()
    await expect(page.locator("#why")).to_contain_text("Disabled.")
    await expect(page.locator("main")).to_contain_text("the warehouse moves")
    await expect(page.locator("#lamp")).to_have_attribute("data-state", "live")
    await ask("POST", f"{path}/enable")

    await expect(page.locator("h1")).not_to_contain_text("Disabled")
    await expect(page.locator("#why")).to_contain_text("On time.")
    await page.goto(f"/sessions/{plans['session']}")
    await page.click("#verb-retry")
    await page.get_by_role("button", name="Retry", exact=True).click()
    await expect(page.locator("#attempts")).to_contain_text("Attempt 2")
    await expect(page.locator("h1")).to_contain_text("Failed")  # by itself, when it has ended
