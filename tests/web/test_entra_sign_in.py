"""People who sign in at their directory: there and back, and everything that must not let anybody in."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.clock import FakeClock
from tests.support.issuer import CLIENT, CLIENT_SECRET, SISTER, STRANGER, TENANT, Issuer, running_issuer
from tests.web.conftest import Person, Site

from backfilld.api.auth.entra import EntraAuthenticator
from backfilld.api.auth.entra_sign_in import EntraSignIn
from backfilld.web.pages.account.entra import STALE

START = "/sign-in/entra"
COOKIE = "bf-entra"


@pytest.fixture
async def issuer(clock: FakeClock) -> AsyncIterator[Issuer]:
    async with running_issuer(clock) as issuer:
        yield issuer


@pytest.fixture
async def directory(issuer: Issuer, clock: FakeClock) -> AsyncIterator[EntraSignIn]:
    known = EntraAuthenticator(issuer.acceptance(), clock)
    yield EntraSignIn(issuer.acceptance(), CLIENT, CLIENT_SECRET, known, clock, timeout_seconds=5)
    await known.close()


@pytest.fixture
async def ada(site: Site) -> Person:
    return await site.stranger()


async def sign_in(person: Person, issuer: Issuer, path: str = START) -> tuple[int, str, str]:
    """Status, where to, and what the page says after the whole way there and back."""
    leaves = await person.get(path)
    back = urlsplit(issuer.sign_in(leaves.headers["Location"]))
    answer = await person.get(f"{back.path}?{back.query}")
    return answer.status, answer.headers.get("Location", ""), await answer.text()


async def test_a_person_signs_in_with_the_role_of_the_directory_and_out_again(
    site: Site, issuer: Issuer, ada: Person
) -> None:
    assert "Sign in with Microsoft" in await ada.text("/sign-in?next=/account")
    status, there, _ = await sign_in(ada, issuer, f"{START}?next=/account")
    page = await ada.text("/account")
    await ada.take_token()

    assert (303, "/account") == (status, there)
    assert "ada@example.com" in page
    assert "operator" in page
    assert 303 == (await ada.post("/sign-out")).status
    assert "/sign-in?next=" in (await ada.get("/")).headers["Location"]


async def test_what_is_asked_of_the_directory_can_be_used_by_nobody_else(issuer: Issuer, ada: Person) -> None:
    leaves = await ada.get(f"{START}?tenant={SISTER}")
    parts = urlsplit(leaves.headers["Location"])
    asked = {name: value for name, (value,) in parse_qs(parts.query).items()}

    assert f"/{SISTER}/oauth2/v2.0/authorize" == parts.path
    assert {"code", "S256", CLIENT, "query"} <= set(asked.values())
    assert asked["redirect_uri"].endswith("/sign-in/entra/callback")
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert "verifier" not in leaves.headers["Location"]
    cookie = leaves.cookies[COOKIE]
    assert (True, "Lax", "600") == (bool(cookie["httponly"]), cookie["samesite"], cookie["max-age"])


@pytest.mark.parametrize(("roles", "may"), [(["Everything"], "admin"), (["Read.All", "Run.All"], "operator")])
async def test_the_highest_role_counts(issuer: Issuer, ada: Person, roles: list[str], may: str) -> None:
    issuer.said = {"roles": roles}
    await sign_in(ada, issuer)

    assert f"As ada@example.com, {may}." in await ada.text("/account")


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no role": ({"roles": []}, 403, "has no role here"),
    "a role of a scope": ({"roles": None, "scp": "user_impersonation"}, 403, "has no role here"),
    "another nonce": ({"nonce": "of another sign-in"}, 401, "is no good here"),
    "no nonce": ({"nonce": None}, 401, "is no good here"),
    "for another client": ({"aud": "api://backfill"}, 401, "is no good here"),
    "of another directory of ours": ({"tid": SISTER}, 401, "is no good here"),
    "of a stranger": ({"tid": STRANGER}, 401, "is no good here"),
    "over": ({"exp": 1}, 401, "is no good here"),
    "of nobody": ({"oid": "ada"}, 401, "is no good here"),
    "signed by another": ({"key": "second"}, 401, "is no good here"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_token_that_is_not_the_answer_lets_nobody_in(issuer: Issuer, ada: Person, case: str) -> None:
    issuer.said, expected, said = REFUSED[case]
    status, _, page = await sign_in(ada, issuer, f"{START}?tenant={TENANT}")

    assert expected == status
    assert said in page
    assert 303 == (await ada.get("/")).status


async def test_a_code_is_of_use_only_to_the_browser_that_asked(site: Site, issuer: Issuer, ada: Person) -> None:
    mallory = await site.stranger()
    back = urlsplit(issuer.sign_in((await mallory.get(START)).headers["Location"]))
    without = await ada.get(f"{back.path}?{back.query}")
    await ada.get(START)
    with_another = await ada.get(f"{back.path}?{back.query}")

    for answer in (without, with_another):
        assert 401 == answer.status
        assert STALE in await answer.text()
    assert 303 == (await ada.get("/")).status


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 401), ("code=x", 401), ("state=%FF&code=x", 401), ("error=access_denied&error_description=<b>x</b>", 401)],
)
async def test_an_answer_that_is_none_is_told(issuer: Issuer, ada: Person, query: str, status: int) -> None:
    await ada.get(START)
    answer = await ada.get(f"{START}/callback?{query}")

    assert status == answer.status
    assert "<b>x</b>" not in await answer.text()


async def test_whoever_declines_is_asked_again(issuer: Issuer, ada: Person) -> None:
    leaves = await ada.get(START)
    state = parse_qs(urlsplit(leaves.headers["Location"]).query)["state"][0]
    answer = await ada.get(f"{START}/callback?error=access_denied&state={state}")

    assert 401 == answer.status
    assert "it was declined, or not finished" in await answer.text()


@pytest.mark.parametrize("cookie", ["", "x", base64.b64encode(b"[1]").decode(), base64.b64encode(b"{}").decode()])
async def test_a_cookie_that_was_made_up_lets_nobody_in(site: Site, ada: Person, cookie: str) -> None:
    ada.session.cookie_jar.update_cookies({COOKIE: cookie})

    assert 401 == (await ada.get(f"{START}/callback?code=x&state=")).status


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil"])
async def test_nobody_is_led_elsewhere(issuer: Issuer, ada: Person, next_: str) -> None:
    kept = json.loads(base64.urlsafe_b64decode((await ada.get(f"{START}?next={next_}")).cookies[COOKIE].value))
    _, there, _ = await sign_in(ada, issuer, f"{START}?next={next_}")

    assert ("/", "/") == (kept["next"], there)


async def test_a_provider_that_is_away_is_told_and_keys_go_on(site: Site, issuer: Issuer, ada: Person) -> None:
    issuer.outage = "500"
    answer = await ada.get(START)

    assert 503 == answer.status
    assert "nobody can sign in with it now" in await answer.text()
    assert 200 == (await (await site.sign_in("viewer")).get("/")).status


async def test_a_provider_that_goes_away_meanwhile_is_told(issuer: Issuer, ada: Person) -> None:
    back = urlsplit(issuer.sign_in((await ada.get(START)).headers["Location"]))
    issuer.outage = "500"
    answer = await ada.get(f"{back.path}?{back.query}")

    assert 503 == answer.status


async def test_a_session_of_the_directory_lasts_twelve_hours(clock: FakeClock, issuer: Issuer, ada: Person) -> None:
    await sign_in(ada, issuer)
    for _ in range(11):
        await clock.advance(timedelta(hours=1))
        assert 200 == (await ada.get("/account")).status
    await clock.advance(timedelta(hours=1))

    assert 303 == (await ada.get("/account")).status


async def test_attempts_in_vain_count_as_those_with_keys(ada: Person) -> None:
    answers = [await ada.get(f"{START}/callback?code=x&state=y") for _ in range(25)]

    assert 429 == answers[-1].status
    assert "Too many attempts from your address" in await answers[-1].text()
