"""What holds for every path of the dialect: who may ask, how errors look, what is ignored, how bodies are packed."""

import gzip
from itertools import product
from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.support.clock import FakeClock
from tests.support.schedules import make_schedule

from backfilld.api.auth.keys import KeyAuthenticator
from backfilld.api.digdag import logs, schedules, sessions
from backfilld.api.framework.reading.lenient_models import IGNORED_HEADER
from backfilld.api.framework.routing import Route
from backfilld.api.framework.server import ServerOptions
from backfilld.api.health import version_routes
from backfilld.api.reference.documents import with_documents
from backfilld.api.reference.openapi import document
from backfilld.domain.access.callers import Actor
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.operations.keys import create_key
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.read import SessionReading
from backfilld.store.admin.keys import KeyStore
from backfilld.store.connection.pool import Pool

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
MANY = 40


@pytest.fixture
def routes(pool: Pool, clock: FakeClock) -> list[Route]:
    reading = SessionReading(pool)
    backfills: Any = None  # is never called here
    return [
        *schedules.routes(ScheduleReading(pool), ScheduleOperations(pool, clock), backfills),
        *sessions.routes(reading),
        *logs.routes(reading),
        *version_routes(),
    ]


@pytest.fixture
async def client(serve: Serve, routes: list[Route]) -> Client:
    return await serve(routes)


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    return await make_schedule(pool)


async def refused(client: Client, method: str, path: str, **settings: Any) -> tuple[int, Any]:
    """The status of an answer, which is in the shape of the dialect's errors, and its message."""
    answer = await client.request(method, path, **settings)
    problem = await answer.json()

    assert {"message", "status"} == set(problem)
    assert answer.status == problem["status"]
    assert "application/json" == answer.content_type
    return answer.status, problem["message"]


# Who asks


@pytest.mark.parametrize("scheme", ["TD1", "td1", "Bearer"])
async def test_a_key_is_known_under_the_scheme_of_either_world(
    serve: Serve, routes: list[Route], pool: Pool, clock: FakeClock, scheme: str
) -> None:
    key = (await create_key(pool, clock, name="digdag", role="viewer", actor=Actor.local("test"))).key
    client = await serve(routes, role=None, authenticators=[KeyAuthenticator(KeyStore(pool), clock)])
    answer = await client.get("/api/schedules", headers={"Authorization": f"{scheme} {key}"})

    assert 200 == answer.status


@pytest.mark.parametrize("header", [None, "TD1", "TD1 1/abc", "Basic dXNlcjpwYXNz", "Bearer nobody"])
async def test_whoever_is_not_known_is_401(serve: Serve, routes: list[Route], header: str | None) -> None:
    client = await serve(routes, role=None)
    headers = {"Authorization": header} if header else {}

    assert 401 == (await refused(client, "GET", "/api/schedules", headers=headers))[0]


async def test_a_viewer_may_look_and_not_steer(
    serve: Serve, routes: list[Route], stored: StoredSchedule, pool: Pool
) -> None:
    client = await serve(routes, role="viewer")
    for verb in ("enable", "disable", "skip", "backfill"):
        assert 403 == (await refused(client, "POST", f"/api/schedules/{stored.id}/{verb}"))[0]

    assert 200 == (await client.get(f"/api/schedules/{stored.id}")).status
    assert await pool.fetchval("SELECT disabled_at FROM schedules") is None


async def test_too_many_requests_are_429_with_a_time(serve: Serve, routes: list[Route]) -> None:
    client = await serve(routes, options=ServerOptions(rate_limit_per_minute=1, stop_timeout_seconds=1))
    await client.get("/api/schedules")
    answer = await client.get("/api/schedules")

    assert (429, 429) == (answer.status, (await answer.json())["status"])
    assert int(answer.headers["Retry-After"]) >= 1


async def test_the_version_is_told_to_everybody_and_never_counted(serve: Serve, routes: list[Route]) -> None:
    client = await serve(routes, role=None, options=ServerOptions(rate_limit_per_minute=1, stop_timeout_seconds=1))
    for version in ("0.10.5", "0.1", "not a version", ""):
        check = await (await client.get("/api/version/check", params={"client": version})).json()

        assert {"serverVersion", "upgradeRecommended", "apiCompatible"} == set(check)
        assert (True, False) == (check["apiCompatible"], check["upgradeRecommended"])
    assert check["serverVersion"] == (await (await client.get("/api/version")).json())["version"]


# What there is not


async def test_an_unknown_path_is_404_for_every_method(client: Client) -> None:
    paths = ("/api", "/api/", "/api/nothing", "/api/nothing/", "/api/schedules//", "/api/attempts/1/nothing")
    for method, path in product(METHODS, paths):
        assert 404 == (await refused(client, method, path))[0], (method, path)


async def test_another_method_of_a_known_path_is_405_and_told_which_there_are(client: Client) -> None:
    for method in METHODS[1:]:
        answer = await client.request(method, "/api/schedules")

        assert "GET, HEAD" == answer.headers["Allow"]
        assert 405 == (await refused(client, method, "/api/schedules"))[0], method


async def test_what_is_no_id_names_nothing(client: Client) -> None:
    paths = ("/api/schedules/{}", "/api/sessions/{}/attempts", "/api/attempts/{}/tasks", "/api/logs/{}/files")
    ids = ("no_such_id", "0", "-1", "1.0", "%00", "1%2F2", "9223372036854775808", "9" * 400)
    for path, id in product(paths, ids):
        assert 404 == (await refused(client, "GET", path.format(id)))[0], (path, id)


async def test_what_does_not_exist_is_told_by_its_id(client: Client) -> None:
    for part in ("schedules/7", "sessions/7", "attempts/7", "attempts/7/retries", "logs/7/files"):
        status, message = await refused(client, "GET", f"/api/{part}")

        assert 404 == status, part
        assert message.startswith("Resource does not exist: ")
        assert message.endswith(" id=7")


# What is wrong, and what is ignored


UNREADABLE: list[dict[str, Any]] = [
    {"data": b"{"},
    {"data": b"\xff"},
    {"data": b'{"dryRun": NaN}'},
    {"data": b"[" * 100_000},
    {"data": b"not gzip", "headers": {"Content-Encoding": "gzip"}},
    {"data": gzip.compress(b'{"dryRun": true}')[:-4], "headers": {"Content-Encoding": "gzip"}},
    {"data": b"{}", "headers": {"Content-Encoding": "br"}},
    {"data": b"{}", "headers": {"Content-Type": "text/plain"}},
    {"data": b"{}", "headers": {"Content-Type": "application/json; charset=utf-16"}},
    {"data": b"[]"},
    {"data": b"null"},
    {"data": b'"now"'},
]


async def test_what_cannot_be_read_is_400(client: Client, stored: StoredSchedule) -> None:
    for verb, sent in product(("enable", "skip", "backfill"), UNREADABLE):
        headers = {"Content-Type": "application/json"} | sent.get("headers", {})
        path = f"/api/schedules/{stored.id}/{verb}"

        assert 400 == (await refused(client, "POST", path, **sent | {"headers": headers}))[0], (verb, sent)


async def test_a_body_that_inflates_beyond_the_limit_is_413(client: Client, stored: StoredSchedule) -> None:
    bomb = gzip.compress(b" " * (9 << 20))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    path = f"/api/schedules/{stored.id}/backfill"

    assert 413 == (await refused(client, "POST", path, data=bomb, headers=headers))[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/schedules"),
        ("GET", "/api/schedules/{}"),
        ("GET", "/api/attempts"),
        ("POST", "/api/schedules/{}/enable"),
    ],
)
async def test_parameters_that_are_not_known_are_ignored_and_named(
    client: Client, stored: StoredSchedule, method: str, path: str
) -> None:
    answer = await client.request(method, path.format(stored.id) + "?_=1&trace=a%0d%0aX-Evil:%201&bad%0d%0aname=2")

    assert 200 == answer.status
    assert "_, trace, ?" == answer.headers[IGNORED_HEADER]
    assert "X-Evil" not in answer.headers


async def test_a_parameter_that_is_nearly_known_is_refused(client: Client) -> None:
    status, message = await refused(client, "GET", "/api/sessions?page_sise=5&lastId=3")

    assert 400 == status
    assert "did you mean 'page_size'?" in message
    assert "did you mean 'last_id'?" in message


@pytest.mark.parametrize("written", ["true", "True", "TRUE"])
async def test_truth_may_be_written_in_any_case(client: Client, stored: StoredSchedule, written: str) -> None:
    assert 200 == (await client.get(f"/api/attempts?include_retried={written}")).status


@pytest.mark.parametrize(
    "query", ["page_size=0", "page_size=-1", "page_size=10001", "page_size=x", "last_id=x", "last_id=-1",
              "last_id=99999999999999999999", "include_retried=maybe", "last_id=1&last_id=2", "project=%00"],
)  # fmt: skip
async def test_a_parameter_that_cannot_be_is_400_and_named(client: Client, query: str) -> None:
    status, message = await refused(client, "GET", f"/api/attempts?{query}")

    assert 400 == status
    assert message.startswith(f"query/{query.partition('=')[0]}: ")


# How answers are packed


async def test_a_long_answer_is_gzipped_for_whoever_takes_it(client: Client, pool: Pool) -> None:
    for _ in range(MANY):
        await make_schedule(pool)
    headers = {"Accept-Encoding": "gzip, deflate"}
    packed = await client.get("/api/schedules", headers=headers)
    plain = await client.get("/api/schedules", headers={"Accept-Encoding": "identity"})

    assert "gzip" == packed.headers["Content-Encoding"]
    assert "Content-Encoding" not in plain.headers
    assert await plain.json() == await packed.json()


def test_the_document_tells_of_ignored_keys_and_of_no_422(routes: list[Route]) -> None:
    described = document(with_documents(routes))
    backfill = described["paths"]["/api/schedules/{id}/backfill"]["post"]["responses"]

    assert IGNORED_HEADER in backfill["200"]["headers"]
    assert {"200", "400", "401", "403", "404", "408", "409", "413", "414", "417", "429", "431", "500", "503"} == set(
        backfill
    )
