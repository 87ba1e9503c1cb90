"""Everything is stopped and started again by keyboard, and other pages hear of it by themselves."""

from tests.browser.conftest import Open, World
from tests.browser.test_look import violations


async def test_everything_is_stopped_by_keyboard_and_an_open_page_says_so(world: World, open_page: Open) -> None:
    watcher, admin = await open_page("viewer"), await open_page("admin")
    await watcher.goto(world.path("busy"))
    await watcher.wait_for_selector("#lamp[data-state=live]")
    await admin.goto("/system")
    await admin.focus("#verb-stop-all")
    await admin.keyboard.press("Enter")
    await admin.wait_for_selector("dialog[open]")

    assert [] == await violations(admin)
    assert "Keep as it is" == await admin.evaluate("document.activeElement.textContent")
    await admin.fill("dialog #reason", "the ledger writes twice")
    await admin.keyboard.press("Tab")
    await admin.keyboard.press("Enter")
    await admin.wait_for_selector(".stopped")
    await watcher.wait_for_selector(".stopped")

    assert "the ledger writes twice" in await watcher.inner_text("#stopped")
    assert "true" == await watcher.get_attribute("#stopped a", "aria-disabled")
    for page in (watcher, admin):
        assert [] == await violations(page)
    await admin.click("#stopped a")
    await admin.click("dialog button.primary")
    await watcher.wait_for_selector("#stopped[hidden]", state="attached")


async def test_everything_is_stopped_without_script(world: World, open_page: Open) -> None:
    page = await open_page("operator", java_script_enabled=False)
    await page.goto("/system")
    await page.click("#verb-stop-all")
    await page.fill("#reason", "no script here")
    await page.click("button.primary.danger")

    assert "no script here" in await page.inner_text("#stopped")
    await page.goto("/")
    assert "no script here" in await page.inner_text("#stopped")
