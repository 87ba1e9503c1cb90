"""The form of a new backfill in a browser: what it would do follows what is typed, and it is made without script."""

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Open
from tests.browser.test_look import violations


async def test_the_preview_follows_what_is_typed(open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto("/backfills/new")
    await expect(page.locator("#preview .big")).to_contain_text("400")
    await page.fill("#f-0-field", "priority")
    await page.fill("#f-0-value", "2")

    await expect(page.locator("#preview .big")).to_contain_text("80 to run of 80")
    assert "f-0-value" == await page.evaluate("document.activeElement.id")
    operators = await page.locator("#f-0-op option").all_inner_texts()
    assert "≤" in operators
    assert "contains" not in operators
    assert [] == await violations(page)


@pytest.mark.parametrize("has_script", [True, False])
async def test_it_is_made_with_script_or_without(open_page: Open, has_script: bool) -> None:
    page = await open_page("operator", java_script_enabled=has_script)
    await page.goto("/backfills/new")
    await page.fill("#f-0-field", "priority")
    await page.fill("#f-0-value", "2")
    await page.click("button[value='group:f']")
    await page.fill("#f-1-0-field", "priority")
    await page.select_option("#f-1-0-op", "in")
    await page.fill("#f-1-0-value", "1, 2")
    await page.select_option("#workflow", label="paused")
    await page.fill("#name", "made by hand")
    await page.click("button[value='wait']")

    await expect(page.locator("h1")).to_contain_text("made by hand")
