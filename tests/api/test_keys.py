"""API keys over HTTP."""

from uuid import uuid4

from tests.api.conftest import Serve
from tests.support.clock import FakeClock

from backfilld.api.public import keys
from backfilld.domain.access.callers import Actor, Caller
from backfilld.operations.keys import KeyOperations, create_key
from backfilld.store.connection.pool import Pool


class Person:
    """Knows one person, as an identity provider would."""

    async def authenticate(self, token: str) -> Caller | None:
        return Caller("entra:t/o", "Ada", "admin", "person") if token == "ada" else None


ADA = {"Authorization": "Bearer ada"}


async def test_a_person_makes_a_key_and_sees_it_once(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    client = await serve(keys.routes(KeyOperations(pool, clock, "test")), authenticators=[Person()])
    wanted = {"name": "ci", "role": "operator", "expires_at": "2027-04-01T00:00:00+02:00"}
    answer = await client.post("/public-api/api-keys", json=wanted, headers=ADA)
    made = (await answer.json())["data"]["api_key"]
    listed = (await (await client.get("/public-api/api-keys", headers=ADA)).json())["data"]["api_keys"]

    assert 201 == answer.status
    assert f"/public-api/api-keys/{made['id']}" == answer.headers["Location"]
    assert made["key"].startswith("neo_sk_test_")
    assert "2027-03-31T22:00:00Z" == made["expires_at"]
    assert [{name: value for name, value in made.items() if name != "key"}] == listed


async def test_a_key_cannot_make_keys_whatever_it_sends(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    client = await serve(keys.routes(KeyOperations(pool, clock)), role="admin")
    answer = await client.post("/public-api/api-keys", data=b"nonsense")

    assert 403 == answer.status
    assert "keys_cannot_make_keys" == (await answer.json())["error"]["code"]


async def test_why_a_key_was_revoked_is_written_down(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    client = await serve(keys.routes(KeyOperations(pool, clock)), role="admin")
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    await client.delete(f"/public-api/api-keys/{new.id}?reason=it leaked")

    assert "it leaked" == await pool.fetchval("SELECT reason FROM audit_log WHERE action = 'api_key.revoke'")


async def test_revoking_twice_is_harmless(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    client = await serve(keys.routes(KeyOperations(pool, clock)), role="admin")
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    statuses = [(await client.delete(f"/public-api/api-keys/{new.id}")).status for _ in range(2)]
    unknown = await client.delete(f"/public-api/api-keys/{uuid4()}")

    assert [204, 204, 404] == [*statuses, unknown.status]


async def test_an_operator_may_not_see_keys(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    client = await serve(keys.routes(KeyOperations(pool, clock)), role="operator")
    answer = await client.get("/public-api/api-keys")

    assert 403 == answer.status


async def test_the_list_goes_on_where_the_cursor_says(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    client = await serve(keys.routes(KeyOperations(pool, clock)), role="admin")
    for number in range(3):
        await create_key(pool, clock, name=f"k{number}", role="viewer", actor=Actor.local("cli"))
    first = await (await client.get("/public-api/api-keys?page_size=2")).json()
    cursor = first["meta"]["pagination"]["next_cursor"]
    rest = await (await client.get("/public-api/api-keys", params={"page_size": 2, "cursor": cursor})).json()
    names = {key["name"] for page in (first, rest) for key in page["data"]["api_keys"]}

    assert {"k0", "k1", "k2"} == names
    assert {"has_more": False, "next_cursor": None} == rest["meta"]["pagination"]


async def test_a_cursor_from_elsewhere_is_refused(serve: Serve, pool: Pool, clock: FakeClock) -> None:
    client = await serve(keys.routes(KeyOperations(pool, clock)), role="admin")
    for cursor in ("x", "WzFd", "!!", "bnVsbA", "WyJhIiwiYiJd", "W" * 3000):
        answer = await client.get("/public-api/api-keys", params={"cursor": cursor})

        assert 422 == answer.status
        assert "/query/cursor" == (await answer.json())["error"]["details"][0]["path"]
