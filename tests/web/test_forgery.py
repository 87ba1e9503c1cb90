"""What others may make a browser send, and what a small role may send by itself: nothing of it has an effect."""

import re
from typing import Any

import pytest
from tests.web.conftest import Person, Site

from backfilld.domain.access.callers import ROLES
from backfilld.web.frame.visit import Page

FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "another port of this host": {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
    "an old browser elsewhere": {"Origin": "https://evil.example"},
    "a page that hides where it is": {"Origin": "null"},
    "somebody who says nothing": {},
    "an origin that is none": {"Origin": "http://["},
}
OWN_AFFAIRS = {"/sign-in", "/sign-out", "/preferences", "/account/sessions/{id}/end"}  # of whoever is signed in


def posts(site: Site) -> list[Page]:
    """Every page that takes a POST, from the table itself."""
    found = [page for page in site.pages if page.method == "POST"]

    assert len(found) >= 4
    return found


def address(page: Page) -> str:
    def value(match: re.Match[str]) -> str:
        return "7" if page.path_types.get(match[1]) is int else "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11"

    return re.sub(r"\{(\w+)\}", value, page.path)


@pytest.mark.parametrize("whence", FOREIGN)
async def test_nothing_comes_in_from_elsewhere(site: Site, whence: str) -> None:
    person = await site.sign_in("admin")
    for page in posts(site):
        answer = await person.post(address(page), headers=FOREIGN[whence] | {"Accept": "text/html"})

        assert 403 == answer.status, page.path


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ü"])
async def test_nothing_comes_in_without_the_token_of_the_session(site: Site, token: str | None) -> None:
    person = await site.sign_in("admin")
    for page in posts(site):
        if page.role is None:
            continue
        answer = await person.post(address(page), csrf=token)

        assert 403 == answer.status, page.path
    assert 200 == (await person.get("/")).status


async def test_the_token_of_one_session_is_of_no_use_in_another(site: Site) -> None:
    one, other = await site.sign_in("admin"), await site.sign_in("admin")
    one.csrf, other.csrf = other.csrf, one.csrf
    for person in (one, other):
        assert 403 == (await person.post("/sign-out")).status
        assert 200 == (await person.get("/")).status


async def test_a_stranger_posts_nothing(site: Site) -> None:
    stranger = await site.stranger()
    for page in posts(site):
        if page.role is not None:
            assert 401 == (await stranger.post(address(page))).status, page.path


async def test_a_small_role_is_refused_wherever_a_page_asks_for_more(site: Site) -> None:
    people: dict[Any, Person] = {role: await site.sign_in(role) for role in ROLES}
    for page in posts(site):
        if page.path in OWN_AFFAIRS:
            continue

        assert page.role in ("operator", "admin"), f"{page.path} would let a viewer change something"
        for role in ROLES[: ROLES.index(page.role)]:
            assert 403 == (await people[role].post(address(page))).status, (role, page.path)
