"""People of a directory sign in there and come back: with a real browser, and a provider that speaks OpenID Connect."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Response, expect
from tests.browser.conftest import Open, World
from tests.browser.test_look import violations
from tests.support.issuer import CLIENT, CLIENT_SECRET, TENANT, Issuer, running_issuer

from backfilld.clock import SystemClock

ELSEWHERE = ("//evil.example", "https://evil.example", "/\\evil.example", "/%09/evil.example")


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer(SystemClock()) as issuer:
        yield issuer


@pytest.fixture
def more_config(issuer: Issuer) -> str:
    return (
        f'[auth.entra]\nclient_id = "{CLIENT}"\ntenants = ["{TENANT}"]\nauthority = "{issuer.url}"\n'
        'client_secret = { secret = "entra" }\nroles = { "Run.All" = "operator", "Read.All" = "viewer" }\n'
        f'[secrets.entra]\nvalue = "{CLIENT_SECRET}"\n'
    )


@pytest.fixture
def neighbours(issuer: Issuer) -> frozenset[str]:
    return frozenset({urlsplit(issuer.url).netloc})


async def sign_in(page: Page, path: str = "/", who: str = "Ada") -> None:
    """From a page that wants to know who one is, to the directory and back."""
    await page.goto(path)
    await page.get_by_role("link", name="Sign in with Microsoft").click()
    await page.get_by_role("link", name=who).click()


async def test_one_comes_back_to_the_page_that_was_wanted_and_signs_out(world: World, open_page: Open) -> None:
    page = await open_page(None)
    await sign_in(page, "/system/targets?x=1")
    await page.wait_for_url(world.url + "/system/targets?x=1")
    await expect(page.locator(".menu summary")).to_contain_text("ada@example.com · operator")
    await page.goto("/account")
    await expect(page.locator("main")).to_contain_text("12 hours after signing in")

    assert [] == await violations(page)
    assert {"bf"} == {cookie["name"] for cookie in await page.context.cookies(world.url)}
    await page.get_by_role("button", name="Sign out here").click()
    await page.wait_for_url("**/sign-in")
    await page.go_back()
    await page.wait_for_url("**/sign-in?next=%2Faccount")


async def test_the_page_that_sends_people_away_lets_no_form_go_there(
    world: World, open_page: Open, issuer: Issuer
) -> None:
    page = await open_page(None)
    answer = await page.goto("/sign-in")

    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "form-action 'self';" in policy
    assert urlsplit(issuer.url).netloc not in policy
    assert [] == await violations(page)


async def test_the_role_of_the_directory_decides_what_works(world: World, open_page: Open, issuer: Issuer) -> None:
    issuer.said = {"roles": ["Read.All"]}
    page = await open_page(None)
    await sign_in(page, world.path("busy"))
    await page.wait_for_url(world.url + world.path("busy"))

    assert 0 == await page.locator(".verbs a[href]").count()
    await page.context.clear_cookies()
    issuer.said = {"roles": ["of something else"]}
    await sign_in(page)
    await expect(page.get_by_role("alert")).to_contain_text("has no role here")
    assert [] == await violations(page)


async def test_nobody_is_led_elsewhere_afterwards(world: World, open_page: Open) -> None:
    page, led = await open_page(None), []

    def hear(answer: Response) -> None:
        if urlsplit(answer.url).path.endswith("/callback"):
            led.append(answer.headers["location"])

    page.on("response", hear)
    for next_ in ELSEWHERE:
        await page.goto(f"/sign-in/entra?next={next_}")
        await page.get_by_role("link", name="Ada").click()
        await page.wait_for_url(world.url + "/")
        await page.context.clear_cookies()

    assert ["/"] * len(ELSEWHERE) == led


async def test_whoever_declines_may_try_again_and_a_stale_answer_is_none(
    world: World, open_page: Open, issuer: Issuer
) -> None:
    page = await open_page(None)
    await sign_in(page, "/system", "Nobody")
    await expect(page.get_by_role("alert")).to_contain_text("it was declined, or not finished")
    await page.get_by_role("link", name="Sign in with Microsoft").click()
    await page.context.clear_cookies()  # ten minutes later
    await page.get_by_role("link", name="Ada").click()

    await expect(page.get_by_role("alert")).to_contain_text("took longer than ten minutes")
    assert [] == await violations(page)


async def test_a_session_that_is_ended_elsewhere_is_over(world: World, open_page: Open) -> None:
    here, there = await open_page(None), await open_page(None)
    for page in (here, there):
        await sign_in(page, "/account")
        await page.wait_for_url(world.url + "/account")
    await here.reload()
    await here.get_by_role("button", name="End", exact=True).click()
    await expect(here.get_by_role("button", name="End", exact=True)).to_have_count(0)
    await there.goto(world.path("busy"))

    assert "/sign-in?next=" in there.url
