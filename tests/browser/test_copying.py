"""Buttons that copy what a target said: also where browsers give pages no clipboard, which is over plain HTTP."""

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import Open, World

NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
REFUSED = "navigator.clipboard.writeText = async () => { throw new Error('not allowed'); };"


async def pasted(page: Page) -> str:
    await page.goto("/?q=")
    await page.focus("input[name=q]")
    await page.keyboard.press("Control+V")
    return await page.input_value("input[name=q]")


@pytest.mark.parametrize("given", ["", NO_CLIPBOARD, REFUSED])
async def test_what_a_target_said_is_copied(world: World, open_page: Open, given: str) -> None:
    page = await open_page("viewer")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.add_init_script(given)
    await page.goto(world.path("ended", "/entities/7"))
    await page.click("button[data-copy=said-of-it]")

    await expect(page.locator("button[data-copy=said-of-it]")).to_have_text("Copied")
    await expect(page.locator("#told")).to_have_text("Copied")
    assert "button" == (await page.evaluate("document.activeElement.tagName")).lower()
    assert await page.evaluate("window.shifted") < 0.01
    assert "ticket 7 is locked by <b>user</b> 7" in await pasted(page)


async def test_without_script_no_button_copies(world: World, open_page: Open) -> None:
    page = await open_page("viewer", java_script_enabled=False)
    await page.goto(world.path("ended", "/entities/7"))

    await expect(page.locator("#said-of-it")).to_be_visible()
    await expect(page.locator("[data-copy]").first).to_be_hidden()
