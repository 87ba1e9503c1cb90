"""Back and forth, other zones, other sites, many tabs: what a browser does around our pages."""

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from playwright.async_api import Page, expect
from tests.browser.conftest import Open, World
from tests.browser.test_live_pages import HIDDEN, SEEN
from tests.browser.test_look import violations
from tests.browser.test_steering import status

FAR = {"timezone_id": "Asia/Tokyo", "locale": "ja-JP"}


@pytest.fixture
async def stranger() -> AsyncIterator[str]:
    """The address of another site, whose page asks for whatever its address says: `/link?PATH`, `/form?PATH`."""
    asked = {"link": '<a href="{0}">go</a>', "form": '<form method="post" action="{0}"><button>go</button></form>'}

    async def answer(request: web.Request) -> web.Response:
        body = asked[request.match_info["how"]].format(request.query_string)
        head = '<meta name="referrer" content="unsafe-url"><title>elsewhere</title><link rel="icon" href="data:,">'
        return web.Response(text=f'<!doctype html><html lang="en">{head}{body}', content_type="text/html")

    app = web.Application()
    app.router.add_get("/{how}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://localhost:{runner.addresses[0][1]}"  # to a browser another site than 127.0.0.1
    await runner.cleanup()


@pytest.fixture
def neighbours(stranger: str) -> frozenset[str]:
    return frozenset({urlsplit(stranger).netloc})


async def test_back_and_forward_find_the_list_where_it_was(world: World, open_page: Open) -> None:
    page = await open_page("viewer", viewport={"width": 1280, "height": 500})
    await page.click(".chips a:has-text('Ended')")
    await page.wait_for_url("**/?show=ended")
    await page.goto(world.path("ended", "/entities"))
    await page.click(".chips a:has-text('Succeeded')")
    await page.click("text=Next")
    await page.wait_for_url("**cursor=*")
    second, first = await page.inner_text("tbody tr:first-child"), "table.ledger tbody tr:first-child"
    await page.evaluate("scrollTo(0, 700)")
    scrolled = await page.evaluate("scrollY")
    await page.locator("table.ledger tbody tr:nth-child(20) a").click()
    await page.wait_for_url("**/entities/*")
    await page.go_back()
    await page.wait_for_function("(wanted) => Math.abs(scrollY - wanted) < 40", arg=scrolled)

    assert second == await page.inner_text(first)
    await page.go_back()
    await page.wait_for_url("**/entities?status=succeeded")
    assert second != await page.inner_text(first)
    await page.go_forward()
    await page.wait_for_url("**cursor=*")
    assert second == await page.inner_text(first)
    await page.click("nav.tabs a:has-text('Settings')")
    await page.click("nav.tabs a:has-text('Timeline')")
    await page.go_back()
    await expect(page.locator("nav.tabs [aria-current]")).to_have_text("Settings")


async def test_times_are_of_one_zone_and_pointing_at_one_tells_three(world: World, open_page: Open) -> None:
    page = await open_page("viewer", **FAR)
    await page.goto(world.path("ended"))
    times = page.locator("main time[title]")
    told = [str(await one.get_attribute("title")) for one in await times.all()]

    assert len(told) > 2
    for one in told:
        assert re.search(r"UTC", one), one
        assert re.search(r"for you \(Asia/Tokyo\)", one), one
    text = await page.inner_text("main")
    assert "New York" in text
    assert not re.search(r"Tokyo|Berlin|JST|UTC", text), text
    await page.goto(world.path("ended", "/entities"))
    assert "New York" in await page.inner_text("table.ledger thead")


async def test_a_link_from_another_site_keeps_one_signed_in_and_a_form_does_nothing(
    world: World, open_page: Open, stranger: str
) -> None:
    page = await open_page("operator")
    await page.goto(f"{stranger}/link?{world.url}{world.path('busy')}")
    await page.click("text=go")
    await page.wait_for_url(world.url + world.path("busy"))
    await expect(page.locator("h1")).to_contain_text("busy")
    await page.goto(f"{stranger}/form?{world.url}{world.path('busy', '/pause')}")
    await page.click("text=go")
    await page.wait_for_url(world.url + world.path("busy", "/pause"))

    assert "running" == await status(world, "busy")
    assert [] == await violations(page)


async def test_whoever_signs_in_is_not_led_to_another_site(world: World, open_page: Open) -> None:
    page, led = await open_page(None), []
    page.on("response", lambda answer: led.append(answer.headers.get("location")) if answer.status == 303 else None)
    for next_ in ("//evil.example", "https://evil.example", "/\\evil.example"):
        await page.goto(f"/sign-in?next={next_}")
        await page.fill("#key", world.keys["viewer"])
        await page.keyboard.press("Enter")
        await page.wait_for_url(world.url + "/")
        await page.context.clear_cookies()

    assert {"/"} == set(led)


async def test_a_viewer_who_sends_a_form_all_the_same_is_refused(world: World, open_page: Open) -> None:
    page = await open_page("viewer")
    await page.goto("/account")
    form = {"csrf": await page.get_attribute("[name=csrf] >> nth=0", "value") or ""}
    answer = await page.request.post(world.path("busy", "/pause"), form=form, headers={"Origin": world.url})

    assert 403 == answer.status
    assert "running" == await status(world, "busy")


async def test_seven_tabs_of_which_six_are_hidden_all_load(world: World, open_page: Open) -> None:
    first = await open_page("viewer")
    tabs = [first, *[await first.context.new_page() for _ in range(6)]]
    for tab in tabs:
        await tab.goto(world.path("busy"))
        await expect(tab.locator("#lamp")).to_have_text("live")
        if tab is not tabs[-1]:
            await tab.evaluate(HIDDEN)
            await expect(tab.locator("#lamp")).to_have_text("paused")
    before = await first.inner_text(".big")
    await expect(tabs[-1].locator(".big")).not_to_have_text(await tabs[-1].inner_text(".big"))

    assert before == await first.inner_text(".big"), "what nobody sees asks for nothing"
    await first.evaluate(SEEN)
    await expect(first.locator("#lamp")).to_have_text("live")
    await expect(first.locator(".big")).not_to_have_text(before, timeout=10_000)


async def test_what_is_selected_and_unfolded_stays_while_the_page_moves(world: World, open_page: Open) -> None:
    page = await open_page("viewer")
    await page.goto(world.path("busy"))
    await expect(page.locator("#lamp")).to_have_text("live")
    await page.click("details.menu summary")
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    selected, before = await _selected(page), await page.inner_text(".big")
    await expect(page.locator(".big")).not_to_have_text(before)

    assert selected == await _selected(page)
    assert "busy" in selected
    assert await page.locator("details.menu[open]").count()


async def _selected(page: Page) -> str:
    return str(await page.evaluate("String(getSelection())"))
