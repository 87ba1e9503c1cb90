"""Who gets in, for how long, and what ends it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.clock import FakeClock
from tests.web.conftest import OPTIONS, Site

from backfilld.api.framework.server import ServerOptions
from backfilld.domain.access.callers import Actor
from backfilld.operations.keys import revoke_key
from backfilld.operations.web_sessions import WebSessions
from backfilld.store.connection.pool import Pool
from backfilld.web.pages.account import routes as account


async def test_a_stranger_is_sent_to_sign_in_and_back_to_where_he_wanted(site: Site) -> None:
    stranger = await site.stranger()
    answer = await stranger.get("/?show=ended&q=a%26b")

    assert 303 == answer.status
    assert "/sign-in?next=%2F%3Fshow%3Dended%26q%3Da%2526b" == answer.headers["Location"]
    key = await site.key("viewer")
    entered = await stranger.post("/sign-in", key=key.key, next="/?show=ended&q=a%26b", csrf=None)
    assert 303 == entered.status
    assert "/?show=ended&q=a%26b" == entered.headers["Location"]


async def test_a_stranger_sees_neither_navigation_nor_names(site: Site) -> None:
    page = await (await site.stranger()).text("/sign-in")

    assert "<nav" not in page
    assert "Sign out" not in page


async def test_whoever_is_signed_in_does_not_sign_in_again(site: Site) -> None:
    answer = await (await site.sign_in("viewer")).get("/sign-in?next=/account")

    assert (303, "/account") == (answer.status, answer.headers["Location"])


ELSEWHERE = ["//evil.example", "/\\evil.example", "https://evil.example", "\\\\evil", "evil", "/a\nb", "", "/x\\..\\y"]


async def test_nobody_is_sent_elsewhere_after_signing_in(site: Site) -> None:
    key = await site.key("viewer")
    for next_ in ELSEWHERE:
        answer = await (await site.stranger()).post("/sign-in", key=key.key, next=next_, csrf=None)

        assert (303, "/") == (answer.status, answer.headers["Location"]), next_


async def test_the_cookie_is_kept_from_scripts_and_from_forms_of_others(site: Site) -> None:
    key, stranger = await site.key("viewer"), await site.stranger()
    cookie = (await stranger.post("/sign-in", key=key.key, csrf=None)).headers["Set-Cookie"]

    assert cookie.startswith("bf=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


async def test_an_unknown_key_is_told_so_and_opens_nothing(site: Site) -> None:
    stranger = await site.stranger()
    for key in ("", "nonsense", "neo_sk_live_" + "a" * 43, "ü" * 20, "a b"):
        answer = await stranger.post("/sign-in", key=key, csrf=None)

        assert 401 == answer.status, key
        assert "not known" in await answer.text(), key
        assert 303 == (await stranger.get("/")).status, key


async def test_attempts_in_vain_are_counted_as_those_of_the_api_are(site: Site) -> None:
    stranger = await site.stranger()
    for _ in range(20):
        await stranger.post("/sign-in", key="neo_sk_live_" + "a" * 43, csrf=None)
    answer = await stranger.post("/sign-in", key="neo_sk_live_" + "a" * 43, csrf=None)

    assert 429 == answer.status


async def test_only_the_hash_of_a_session_is_stored(site: Site, pool: Pool) -> None:
    person = await site.sign_in("viewer")
    token = next(cookie.value for cookie in person.session.cookie_jar)
    row = str(await pool.fetchrow("SELECT * FROM web_sessions"))

    assert token not in row
    assert person.csrf not in row


async def test_a_session_ends_at_once_with_its_key(site: Site, pool: Pool, clock: FakeClock) -> None:
    key = await site.key("admin")
    person = await site.sign_in("admin", key)
    await revoke_key(pool, clock, key.id, actor=Actor.local("cli"))

    assert 303 == (await person.get("/")).status


async def test_a_session_ends_at_once_with_the_role_of_its_key(site: Site, pool: Pool) -> None:
    key = await site.key("admin")
    person = await site.sign_in("admin", key)
    await pool.execute("UPDATE api_keys SET role = 'viewer' WHERE id = $1", key.id)

    assert 303 == (await person.get("/")).status


@pytest.mark.parametrize(("idle", "status"), [(timedelta(hours=11, minutes=59), 200), (timedelta(hours=12), 303)])
async def test_a_session_ends_after_twelve_hours_without_use(
    site: Site, clock: FakeClock, idle: timedelta, status: int
) -> None:
    person = await site.sign_in("viewer")
    await clock.advance(idle)

    assert status == (await person.get("/")).status


async def test_a_session_ends_after_seven_days_however_busy(site: Site, clock: FakeClock) -> None:
    person = await site.sign_in("viewer")
    for _ in range(14):
        assert 200 == (await person.get("/")).status
        await clock.advance(timedelta(hours=11.9))
    await clock.advance(timedelta(hours=2))

    assert 303 == (await person.get("/")).status


async def test_signing_out_ends_the_session_and_not_only_the_cookie(site: Site) -> None:
    person = await site.sign_in("viewer")
    kept = {cookie.key: cookie.value for cookie in person.session.cookie_jar}
    answer = await person.post("/sign-out")
    person.session.cookie_jar.update_cookies(kept)

    assert (303, "/sign-in") == (answer.status, answer.headers["Location"])
    assert 303 == (await person.get("/")).status


async def test_one_ends_ones_own_sessions_and_nobody_elses(site: Site, pool: Pool) -> None:
    key = await site.key("operator")
    here, there = await site.sign_in("operator", key), await site.sign_in("operator", key)
    other = await site.sign_in("admin")
    sessions = await pool.fetch("SELECT id, identity FROM web_sessions ORDER BY created_at")
    mine = [str(row["id"]) for row in sessions if str(key.id) in row["identity"]]
    strange = next(str(row["id"]) for row in sessions if str(key.id) not in row["identity"])
    page = await here.text("/account")

    assert 1 == sum(f"/account/sessions/{id_}/end" in page for id_ in mine)
    assert strange not in page
    assert 404 == (await here.post(f"/account/sessions/{strange}/end")).status
    assert 200 == (await other.get("/")).status
    ending = next(id_ for id_ in mine if f"/account/sessions/{id_}/end" in page)
    assert 303 == (await here.post(f"/account/sessions/{ending}/end")).status
    assert 303 == (await there.get("/")).status
    assert 200 == (await here.get("/")).status


async def test_a_theme_is_kept_and_drawn_by_the_server(site: Site) -> None:
    person = await site.sign_in("viewer")
    before = await person.text("/account")
    answer = await person.post("/preferences", theme="dark", next="/account")

    assert "data-theme" not in before
    assert (303, "/account") == (answer.status, answer.headers["Location"])
    assert '<html lang="en" data-theme="dark">' in await person.text("/account")


@pytest.mark.parametrize("options", [replace(OPTIONS, rate_limit_per_minute=5)])
async def test_pages_count_among_the_requests_of_a_caller(site: Site, options: ServerOptions) -> None:
    person = await site.sign_in("viewer")
    statuses = [(await person.get("/account")).status for _ in range(options.rate_limit_per_minute + 1)]

    assert [200, 200, 200, 200, 200, 429] == statuses


async def test_a_link_signs_in_once(site: Site, pool: Pool, clock: FakeClock) -> None:
    token = await WebSessions(pool, clock).make_link((await site.key("admin")).id)
    first, second = await site.stranger(), await site.stranger()
    page = await first.text(f"/sign-in?once={token}")
    entered = await first.post("/sign-in", once=token, csrf=None)
    again = await second.post("/sign-in", once=token, csrf=None)

    assert token in page
    assert (303, "/") == (entered.status, entered.headers["Location"])
    assert "the admin" in await first.text("/")
    assert 401 == again.status
    assert "used already" in await again.text()


async def test_a_link_that_is_only_looked_at_is_not_used_up(site: Site, pool: Pool, clock: FakeClock) -> None:
    token = await WebSessions(pool, clock).make_link((await site.key("admin")).id)
    stranger = await site.stranger()
    await stranger.text(f"/sign-in?once={token}")
    await stranger.text(f"/sign-in?once={token}")

    assert 303 == (await stranger.post("/sign-in", once=token, csrf=None)).status


async def test_a_link_is_over_after_five_minutes_and_with_its_key(site: Site, pool: Pool, clock: FakeClock) -> None:
    sessions, key = WebSessions(pool, clock), await site.key("admin")
    late, revoked = await sessions.make_link(key.id), None
    await clock.advance(timedelta(minutes=5))
    revoked = await sessions.make_link(key.id)
    await revoke_key(pool, clock, key.id, actor=Actor.local("cli"))
    for token in (late, revoked, "nonsense", "x" * 43):
        assert 401 == (await (await site.stranger()).post("/sign-in", once=token, csrf=None)).status


async def test_only_the_hash_of_a_link_is_stored(site: Site, pool: Pool, clock: FakeClock) -> None:
    token = await WebSessions(pool, clock).make_link((await site.key("admin")).id)

    assert token not in str(await pool.fetchrow("SELECT * FROM sign_in_links"))


async def test_a_link_is_of_no_use_from_elsewhere_and_not_used_up_there(
    site: Site, pool: Pool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await WebSessions(pool, clock).make_link((await site.key("admin")).id)
    stranger = await site.stranger()
    with monkeypatch.context() as patch:
        patch.setattr(account, "_is_loopback", lambda _: False)

        assert 401 == (await stranger.post("/sign-in", once=token, csrf=None)).status
    assert 303 == (await stranger.post("/sign-in", once=token, csrf=None)).status
