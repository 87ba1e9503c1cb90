"""The whole story, from signing in to the rerun: by hands on the keyboard alone, and without script."""

from playwright.async_api import Page, expect
from tests.browser.conftest import Open, World
from tests.browser.test_look import violations
from tests.browser.test_steering import status, tab_to
from tests.support.waiting import eventually

from backfilld.clock import SystemClock

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


async def press(page: Page, selector: str) -> None:
    """Go there by Tab, and press Enter."""
    await tab_to(page, selector)
    await page.keyboard.press("Enter")


async def follow(page: Page, selector: str) -> None:
    """The same, of what leads to another page."""
    async with page.expect_navigation():
        await press(page, selector)


async def type_into(page: Page, selector: str, text: str) -> None:
    """Go there by Tab, and type in place of what is there."""
    await tab_to(page, selector)
    await page.keyboard.press("Control+A")
    await page.keyboard.type(text)


async def test_a_backfill_is_made_changed_and_rerun_by_keyboard_alone(world: World, open_page: Open) -> None:
    page = await open_page(None)
    await page.goto("/backfills/new")
    await page.keyboard.type(world.keys["operator"])  # the field has the focus
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/backfills/new")
    await tab_to(page, "#workflow")
    await page.keyboard.type("paused")  # as a list of choices takes it
    await type_into(page, "#name", "made by keyboard")
    await type_into(page, "#f-0-field", "priority")
    await type_into(page, "#f-0-value", "2")
    await expect(page.locator("#preview .big")).to_contain_text("80 to run of 80")
    await follow(page, "button[value='preset:always']")
    await follow(page, "button[value='wait']")
    await expect(page.locator("h1")).to_contain_text("made by keyboard")
    await follow(page, "#verb-edit")
    await type_into(page, "#max_in_flight", "2")
    await follow(page, "p.buttons button[value='save']")
    await expect(page.locator("dl.settings").nth(2)).to_contain_text("at most 2")
    await page.goto(world.path("ended"))
    await follow(page, "#verb-rerun")
    await tab_to(page, "input[value='succeeded']")
    await page.keyboard.press("Space")
    await expect(page.locator("#counted")).to_contain_text("120 would run again")

    assert [] == await violations(page)
    await follow(page, "#counted button.primary")
    await expect(page.locator(".meta")).to_contain_text("rerun of")


async def test_a_backfill_is_changed_and_rerun_without_script(world: World, open_page: Open) -> None:
    page = await open_page("operator", java_script_enabled=False)
    await page.goto(world.path("nights"))
    await page.click("#verb-edit")
    await page.click("button[value='unwindow:w.0']")
    await page.click("button[value='window']")
    in_three_days = (SystemClock().now().weekday() + 3) % 7  # closed now, whatever the day is
    await page.check(f"[name='w.0.d{in_three_days}']")
    await page.fill("#max_in_flight", "2")
    await page.click("p.buttons button[value='save']")
    settings = page.locator("dl.settings")
    await expect(settings.nth(1)).to_contain_text(f"{DAYS[in_three_days]} 22:00–06:00")
    await expect(settings.nth(2)).to_contain_text("at most 2")
    await page.click("#verb-override")
    await page.click("button.primary")
    await page.wait_for_selector("#verb-end-override")
    await page.click("#verb-pause")
    await page.fill("#until", "2032-01-01T06:00")
    await page.click("button.primary")

    assert "paused" == await status(world, "nights")
    assert "It goes on by itself" in await page.inner_text("#why")
    await page.goto(world.path("ended", "/entities?status=failed"))
    await page.click("text=Rerun these…")
    await page.click("#counted button.primary")
    await expect(page.locator(".meta")).to_contain_text("rerun of")


async def test_the_second_editor_sees_what_the_first_has_made_of_it(world: World, open_page: Open) -> None:
    first, second = await open_page("operator"), await open_page("admin")
    for page in (first, second):
        await page.goto(world.path("held", "/edit?group=limits"))
    for page, most in ((first, "4"), (second, "5")):
        await page.fill("#max_in_flight", most)
        await page.click("p.buttons button[value='save']")

    await expect(second.locator(".meanwhile")).to_contain_text("at most 4")
    assert "5" == await second.input_value("#max_in_flight")
    assert [] == await violations(second)
    await second.click("p.buttons button[value='save']")
    await expect(second.locator("dl.settings").nth(2)).to_contain_text("at most 5")


async def test_whoever_is_signed_out_sends_again_what_was_typed(world: World, open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto(world.path("busy", "/pause"))
    await page.fill("#reason", "typed before")
    cookies = await page.context.cookies()
    await page.context.clear_cookies()
    await page.click("button.primary")
    await expect(page.locator("h1")).to_have_text("You are signed out")

    assert [] == await violations(page)
    await page.context.add_cookies(cookies)  # signed in again, in another tab
    await page.click("button:has-text('Send it again')")
    await page.wait_for_selector("h1")
    if await page.locator("h1:has-text('Send it again?')").count():
        await page.click("button.primary")
    await expect(page.locator("#why")).to_contain_text("typed before")


async def test_a_click_too_many_makes_one(world: World, open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto(world.path("ended", "/rerun-failed"))
    await page.dblclick("button.primary")
    await expect(page.locator(".meta")).to_contain_text("rerun of")

    async def is_one() -> bool:
        found = await world.call("GET", f"/backfills/{world.ids['ended']}")
        return len(found["backfill"]["children"]) == 1

    await eventually(is_one, seconds=5)
