"""Who is asking, what he may do, and how often."""

from datetime import timedelta

import pytest
from tests.api.conftest import Serve
from tests.support.clock import FakeClock
from tests.support.waiting import eventually

from backfilld.api.auth.keys import KeyAuthenticator
from backfilld.api.auth.limits import Limiter
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.framework.server import ServerOptions
from backfilld.domain.access.callers import Actor, Role
from backfilld.operations.keys import create_key, revoke_key
from backfilld.store.admin.keys import KeyStore
from backfilld.store.connection.pool import Pool


async def whoami(asked: RequestContext[None, None]) -> Reply:
    return Reply({"caller": asked.caller.identity, "role": asked.caller.role})


ROUTES = [
    Route("GET", "/public-api/me", whoami, "viewer", "Who am I", None),
    Route("GET", "/public-api/steer", whoami, "operator", "Steer", None),
    Route("GET", "/public-api/rule", whoami, "admin", "Rule", None),
    Route("GET", "/api/me", whoami, "viewer", "Who am I, in the other dialect", None),
    Route("GET", "/open", whoami, None, "For everybody", None),
]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic b3BlcmF0b3I6",
        "TD1 operator",
        "Bearer neo_sk_live_" + "a" * 43,
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
        "Bearer " + "x" * 7_000,
    ],
)
async def test_an_unknown_caller_is_told_how_to_sign_in(
    serve: Serve, pool: Pool, clock: FakeClock, header: str | None
) -> None:
    client = await serve(ROUTES, role=None, authenticators=[KeyAuthenticator(KeyStore(pool), clock)])
    answer = await client.get("/public-api/me", headers={"Authorization": header} if header else {})

    assert 401 == answer.status
    assert "unauthenticated" == (await answer.json())["error"]["code"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    was_read = "not known" in (await answer.json())["error"]["message"]
    assert was_read is ('error="invalid_token"' in answer.headers["WWW-Authenticate"])


async def test_a_key_opens_both_dialects(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    keys = KeyAuthenticator(KeyStore(pool), clock)
    client = await serve(ROUTES, role=None, authenticators=[keys])
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    public = await client.get("/public-api/me", headers=bearer(new.key))
    digdag = await client.get("/api/me", headers={"Authorization": f"TD1 {new.key}"})

    assert f"key:{new.id}" == (await public.json())["data"]["caller"]
    assert {"caller": f"key:{new.id}", "role": "viewer"} == await digdag.json()
    await keys.close()


async def test_a_revoked_key_is_out_within_a_second(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    keys = KeyAuthenticator(KeyStore(pool), clock)
    client = await serve(ROUTES, role=None, authenticators=[keys])
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    before = await client.get("/public-api/me", headers=bearer(new.key))
    await revoke_key(pool, clock, new.id, actor=Actor.local("cli"))
    await clock.advance(0.5)
    after = await client.get("/public-api/me", headers=bearer(new.key))

    assert (200, 401) == (before.status, after.status)
    await keys.close()


async def test_an_expired_key_looks_like_an_unknown_one(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    keys = KeyAuthenticator(KeyStore(pool), clock)
    client = await serve(ROUTES, role=None, authenticators=[keys])
    at = clock.now() + timedelta(minutes=1)
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"), expires_at=at)
    before = await client.get("/public-api/me", headers=bearer(new.key))
    clock.set(at)
    expired = await client.get("/public-api/me", headers=bearer(new.key))
    unknown = await client.get("/public-api/me", headers=bearer("neo_sk_live_" + "b" * 43))

    assert 200 == before.status
    assert 401 == expired.status
    assert (await unknown.json())["error"] == (await expired.json())["error"]
    await keys.close()


async def test_the_use_of_a_key_is_written_at_most_once_a_minute(pool: Pool, clock: FakeClock) -> None:
    keys, store = KeyAuthenticator(KeyStore(pool), clock), KeyStore(pool)
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    seen = []
    for _ in range(3):
        await keys.authenticate(new.key)
        await keys.close()
        seen.append((await store.list())[0].last_used_at)
        await clock.advance(40)

    assert seen[0] == seen[1]
    assert seen[1] is not None
    assert seen[2] == seen[1] + timedelta(seconds=80)


@pytest.mark.parametrize(
    ("role", "expected"),
    [("viewer", [200, 403, 403]), ("operator", [200, 200, 403]), ("admin", [200, 200, 200])],
)
async def test_a_role_may_do_what_the_smaller_ones_may(serve: Serve, role: Role, expected: list[int]) -> None:
    client = await serve(ROUTES, role=role)
    found = [(await client.get(f"/public-api/{path}")).status for path in ("me", "steer", "rule")]

    assert expected == found


async def test_the_rate_limit_is_announced_and_kept(serve: Serve, clock: FakeClock) -> None:
    client = await serve(ROUTES, options=ServerOptions(rate_limit_per_minute=2))
    answers = [await client.get("/public-api/me") for _ in range(3)]
    other = await client.get("/public-api/me", headers=bearer("viewer"))
    await clock.advance(61)
    later = await client.get("/public-api/me")

    assert [200, 200, 429] == [answer.status for answer in answers]
    assert ["1", "0", "0"] == [answer.headers["X-RateLimit-Remaining"] for answer in answers]
    assert {"2"} == {answer.headers["X-RateLimit-Limit"] for answer in answers}
    assert answers[2].headers["Retry-After"] == answers[2].headers["X-RateLimit-Reset"] == "61"
    assert "rate_limited" == (await answers[2].json())["error"]["code"]
    assert (200, 200) == (other.status, later.status)


async def test_open_routes_know_no_limit(serve: Serve) -> None:
    client = await serve(ROUTES, role=None, options=ServerOptions(rate_limit_per_minute=1))
    answers = [await client.get("/open") for _ in range(3)]

    assert [200, 200, 200] == [answer.status for answer in answers]
    assert "X-RateLimit-Limit" not in answers[0].headers


async def test_guessing_is_slowed_down_but_shuts_nobody_out(serve: Serve) -> None:
    client = await serve(ROUTES, role=None, options=ServerOptions(failed_logins_per_minute=2))
    guesses = [(await client.get("/public-api/me", headers=bearer("guess"))).status for _ in range(3)]
    known = await client.get("/public-api/me", headers=bearer("viewer"))

    assert [401, 401, 429] == guesses
    assert 200 == known.status


async def test_no_sixty_seconds_hold_more_than_the_limit(clock: FakeClock) -> None:
    limiter = Limiter(clock, 5)
    granted: list[float] = []
    for _ in range(2_000):
        await clock.advance(0.37)
        if not limiter.take("somebody").exceeded:
            granted.append(clock.monotonic())
    crowds = [sum(at <= other < at + 60 for other in granted) for at in granted]

    assert 5 == max(crowds)
    assert len(granted) > 5 * 11


async def test_after_the_announced_seconds_one_more_fits(clock: FakeClock) -> None:
    limiter = Limiter(clock, 1)
    limiter.take("somebody")
    await clock.advance(0.3)
    wait = limiter.take("somebody").reset_seconds
    await clock.advance(wait)

    assert not limiter.take("somebody").exceeded


async def test_a_database_that_is_away_is_not_a_wrong_key(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    client = await serve(ROUTES, role=None, authenticators=[KeyAuthenticator(KeyStore(pool), clock)])
    await pool.close()
    answer = await client.get("/public-api/me", headers=bearer(new.key))

    assert 503 == answer.status
    assert "Retry-After" in answer.headers


async def test_the_last_use_of_a_key_shows_in_the_list(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    keys = KeyAuthenticator(KeyStore(pool), clock)
    client = await serve(ROUTES, role=None, authenticators=[keys])
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    await client.get("/public-api/me", headers=bearer(new.key))

    assert clock.now() == await eventually(
        lambda: pool.fetchval("SELECT last_used_at FROM api_keys WHERE id = $1", new.id)
    )
