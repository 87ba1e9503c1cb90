"""What people do, with hands on the keyboard alone, and without script."""

from playwright.async_api import Page
from tests.browser.conftest import Open, World
from tests.support.waiting import eventually


async def status(world: World, name: str) -> str:
    return str((await world.call("GET", f"/backfills/{world.ids[name]}"))["backfill"]["status"])


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus, as somebody without a mouse does."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"no way to {selector} by Tab")


async def test_one_signs_in_pauses_and_resumes_by_keyboard_alone(world: World, open_page: Open) -> None:
    page = await open_page(None)
    await page.goto(world.path("busy"))
    await page.keyboard.type(world.keys["operator"])  # the field has the focus
    await page.keyboard.press("Enter")
    await page.wait_for_url(world.url + world.path("busy"))
    await tab_to(page, "#verb-pause")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("dialog[open]")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.type("the ledger is being re-indexed")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#verb-resume")

    assert "paused" == await status(world, "busy")
    assert "the ledger is being re-indexed" in await page.inner_text("#why")
    await tab_to(page, "#verb-resume")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("dialog[open]")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#verb-pause")
    assert "running" == await status(world, "busy")


async def test_escape_leaves_everything_as_it_is(world: World, open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto(world.path("busy"))
    await tab_to(page, "#verb-cancel")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("dialog[open]")
    await page.keyboard.press("Escape")

    assert "verb-cancel" == await page.evaluate("document.activeElement.id")
    assert "running" == await status(world, "busy")


async def test_all_of_it_goes_without_script(world: World, open_page: Open) -> None:
    page = await open_page("operator", java_script_enabled=False)
    await page.fill("input[type=search]", "busy")
    await page.keyboard.press("Enter")
    await page.click("text=busy")
    await page.click("#verb-pause")
    await page.fill("#reason", "no script here")
    await page.click("button.primary")

    assert "paused" == await status(world, "busy")
    assert "no script here" in await page.inner_text("#why")
    await page.click("#verb-resume")
    await page.click("button.primary")
    assert "running" == await status(world, "busy")
    await page.click("details.menu summary")
    await page.click("text=Sign out")
    assert page.url.endswith("/sign-in")


async def test_a_plan_is_approved_from_the_overview(world: World, open_page: Open) -> None:
    page = await open_page("operator")
    await page.click("text=Approve…")
    await page.wait_for_selector("dialog[open]")
    await page.click("dialog button.primary")
    await page.wait_for_url("**/backfills/*")

    async def is_done() -> bool:
        return "completed" == await status(world, "unapproved <i>&amp;")

    await eventually(is_done, seconds=20)


async def test_a_viewer_finds_nothing_that_works(world: World, open_page: Open) -> None:
    page = await open_page("viewer")

    assert 0 == await page.locator(".remedy a").count()
    await page.goto(world.path("busy"))
    assert 0 == await page.locator(".verbs a[href]").count()
    assert 4 == await page.locator(".verbs [aria-disabled]").count()


async def test_a_link_signs_in_by_itself(world: World, open_page: Open) -> None:
    page = await open_page(None)
    await page.goto(f"/sign-in?once={await world.link()}")
    await page.wait_for_url(world.url + "/")

    assert "the admin" in await page.inner_text(".menu summary")
