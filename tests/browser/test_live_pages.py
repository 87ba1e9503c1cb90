"""Pages that stay open."""

from playwright.async_api import Page, expect
from tests.browser.conftest import Open, World

CHANGED = """
Object.defineProperty(document, "hidden", { configurable: true, get: () => %s });
document.dispatchEvent(new Event("visibilitychange"));
"""
HIDDEN, SEEN = CHANGED % "true", CHANGED % "false"
SIGNED_OUT = """
document.getElementById("live").dispatchEvent(new CustomEvent("over", { detail: { data: "signed out" } }));
"""  # what the stream says within 15 s


async def test_what_is_seen_moves_and_what_is_held_stays(world: World, open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto(world.path("busy"))
    await expect(page.locator("#lamp")).to_have_text("live")
    before = await page.inner_text(".big")
    await page.focus("#verb-pause")
    await expect(page.locator(".big")).not_to_have_text(before)

    assert "verb-pause" == await page.evaluate("document.activeElement.id")
    assert "busy" in await page.title()


async def test_a_page_opens_one_stream_and_none_while_it_is_hidden(world: World, open_page: Open) -> None:
    page, streams = await open_page("viewer"), []
    page.on("request", lambda request: streams.append(request.url) if "/events/" in request.url else None)
    await page.goto(world.path("held"))
    await expect(page.locator("#lamp")).to_have_text("live")
    await page.evaluate(HIDDEN)

    await expect(page.locator("#lamp")).to_have_text("paused")
    assert 1 == len(streams)
    await page.evaluate(SEEN)
    await expect(page.locator("#lamp")).to_have_text("live")
    assert 2 == len(streams)


async def test_an_open_dialog_keeps_what_is_typed(world: World, open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto(world.path("busy"))
    before = await page.inner_text(".big")
    await page.click("#verb-pause")
    await page.fill("dialog #reason", "half a sen")
    await expect(page.locator(".big")).not_to_have_text(before)

    assert "half a sen" == await page.input_value("dialog #reason")


async def test_a_row_of_the_overview_moves(world: World, open_page: Open) -> None:
    page = await open_page("viewer")
    row = page.locator(".row", has_text="busy").locator(".counted")
    before = await row.inner_text()

    await expect(row).not_to_have_text(before)


async def test_a_backfill_that_ends_says_so_by_itself(world: World, open_page: Open) -> None:
    page = await open_page("viewer")
    await page.goto(world.path("held"))
    await world.call("POST", f"/backfills/{world.ids['held']}/cancel", {"in_flight": "drain"})
    world.held.set()

    await expect(page.locator("#head .pill")).to_have_text("Cancelled")
    await expect(page.locator("#lamp")).to_have_text("ended")


async def test_whoever_is_signed_out_is_told_and_loses_nothing(world: World, open_page: Open) -> None:
    page: Page = await open_page("operator")
    await page.goto(world.path("held"))
    await page.click("#verb-pause")
    await page.fill("dialog #reason", "typed before")
    await page.evaluate(
        "document.getElementById('live').dispatchEvent(new CustomEvent('over', {detail: {data: 'signed out'}}))"
    )

    await expect(page.locator("#banner")).to_contain_text("You are signed out")
    assert "typed before" == await page.input_value("dialog #reason")
