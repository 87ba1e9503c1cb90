"""Everything is stopped and started again by keyboard, and other pages hear of it by themselves."""

import pytest
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


@pytest.mark.parametrize("script", [True, False])
async def test_a_workflow_is_disabled_and_deleted_and_a_key_revoked_with_why(
    world: World, open_page: Open, script: bool
) -> None:
    executor = {"type": "http", "url": "http://127.0.0.1:9/notify"}
    await world.call("POST", "/workflows", {"name": "notify", "executor": executor})
    page = await open_page("admin", java_script_enabled=script)
    verbs = {"/system/workflows": ["Disable… notify", "Delete… notify"], "/system/keys": ["Revoke… the viewer"]}
    for path, labels in verbs.items():
        for label in labels:
            await page.goto(path)
            await page.click(f'[aria-label="{label}"]')
            await page.wait_for_selector("dialog[open] #reason" if script else "main #reason")
            assert [] == (await violations(page) if script else [])
            await page.fill("#reason", f"why it is: {label}")
            await page.click("button.primary.danger")
            await page.wait_for_url(world.url + path)
    await page.goto("/system/audit")
    told = await page.inner_text("main")

    assert 3 == told.count("why it is: ")
    assert 0 == await page.locator('[aria-label="Delete… notify"]').count()
