"""What each kind of brake sees: a real PostgreSQL, real HTTP servers, real files."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from backfilld.clock import SystemClock
from backfilld.domain.brakes.settings import Thresholds
from backfilld.domain.brakes.verdicts import Seen
from backfilld.engine.brakes.file_signal import FileSignal
from backfilld.engine.brakes.http_signal import LONGEST_SECONDS, HttpSignal
from backfilld.engine.brakes.prometheus_signal import PrometheusSignal
from backfilld.engine.brakes.signals import LookFailed
from backfilld.engine.brakes.sql_signal import HUGE, SqlSignal
from backfilld.engine.http_asking import HttpAsking
from backfilld.executors.secrets import SecretMissing
from backfilld.sources.sql_connections import SqlConnections

ABOVE = Thresholds(above=True, hold=10, release=5)
BELOW = Thresholds(above=False, hold=0.9, release=1)


async def seen(signal: Any) -> Seen | str:
    """What it saw, or why it saw nothing."""
    try:
        return await signal.look()
    except LookFailed as problem:
        return str(problem)
    finally:
        await signal.close()


@pytest.mark.parametrize(
    ("expected", "query"),
    [
        (Seen(14.5), "SELECT 14.5"),
        (Seen(3), "SELECT 3::bigint"),
        (Seen(90), "SELECT interval '1 minute 30 seconds'"),
        (Seen(1), "SELECT true"),
        (Seen(HUGE), "SELECT 'infinity'::float8"),
        (Seen(2), "SELECT 2 -- a remark"),
        ("the query gives NULL", "SELECT NULL::int"),
        ("the value is NaN", "SELECT 'NaN'::numeric"),
        ("the query gives no row; it must give one value", "SELECT 1 WHERE false"),
        ("the query gives more than one row; it must give one value", "SELECT generate_series(1, 3)"),
        ("the query gives 2 columns; it must give one value", "SELECT 1 AS a, 2 AS b"),
        ("the query gives str, and not a number", "SELECT 'x'"),
    ],
)
async def test_a_query_gives_one_number(dsn: str, expected: Seen | str, query: str):
    connections = SqlConnections(lambda: dsn, longest_statement_seconds=2)

    assert expected == await seen(SqlSignal(connections, query, seconds=2, by_word=False))


@pytest.mark.parametrize(("expected", "query"), [(True, "SELECT 1 = 1"), (False, "SELECT 1 = 2")])
async def test_without_a_threshold_a_yes_holds(dsn: str, expected: bool, query: str):
    found = await seen(
        SqlSignal(SqlConnections(lambda: dsn, longest_statement_seconds=2), query, seconds=2, by_word=True)
    )

    assert isinstance(found, Seen)
    assert expected is found.bad


@pytest.mark.parametrize(
    ("expected", "query"),
    [
        ("took longer than 0.2 s", "SELECT pg_sleep(5)::text"),
        ("read-only transaction", "SELECT nextval('audit_log_id_seq')"),
        ("does not exist", "SELECT nothing"),
    ],
)
async def test_a_query_is_bounded_and_read_only(dsn: str, expected: str, query: str):
    connections = SqlConnections(lambda: dsn, longest_statement_seconds=0.2)

    assert expected in str(await seen(SqlSignal(connections, query, seconds=0.2, by_word=False)))


Answering = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    """`await answering(handler)`: the URL of a server that answers everything with it."""
    servers = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        return str(server.make_url("/")).rstrip("/")

    yield start
    for server in servers:
        await server.close()


def vector(*values: str) -> dict[str, Any]:
    return {
        "status": "success",
        "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, value]} for value in values]},
    }


@pytest.mark.parametrize(
    ("expected", "thresholds", "body", "status"),
    [
        (Seen(12), ABOVE, vector("3", "12", "7"), 200),
        (Seen(0.5), BELOW, vector("3", "0.5", "7"), 200),
        (Seen(4), ABOVE, {"status": "success", "data": {"resultType": "scalar", "result": [1, "4"]}}, 200),
        (Seen(HUGE), ABOVE, vector("+Inf"), 200),
        ("the query finds no series", ABOVE, vector(), 200),
        ("the value is NaN", ABOVE, vector("1", "NaN"), 200),
        ("a sample is no number", ABOVE, vector("x"), 200),
        ("the query gives a matrix", ABOVE, {"status": "success", "data": {"resultType": "matrix", "result": []}}, 200),
        ("the server answers HTTP 400: parse error", ABOVE, {"status": "error", "error": "parse error"}, 400),
        ("and not as Prometheus does", ABOVE, ["hello"], 200),
        ("HTTP 302, and not as Prometheus does", ABOVE, [], 302),
    ],
)  # fmt: skip
async def test_of_a_vector_the_worst_sample_counts(
    answering: Answering, expected: Seen | str, thresholds: Thresholds, body: Any, status: int
):
    asked: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response(body, status=status)

    asking = HttpAsking(lambda: {"Authorization": "Bearer t"})
    found = await seen(PrometheusSignal(asking, await answering(handler), "a{b='c d'}", thresholds, seconds=5))

    assert found == expected if isinstance(expected, Seen) else expected in str(found)
    assert [("/api/v1/query", "a{b='c d'}", "Bearer t")] == [
        (request.path, request.query["query"], request.headers["Authorization"]) for request in asked
    ]


async def test_the_past_is_the_worst_of_all_series_at_each_moment(answering: Answering):
    async def handler(request: web.Request) -> web.Response:
        result = [{"metric": {}, "values": [[0, "1"], [5, "NaN"], [10, "3"]]}, {"metric": {}, "values": [[0, "2"]]}]
        return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": result}})

    signal = PrometheusSignal(HttpAsking(), await answering(handler), "up", ABOVE, seconds=5)
    now = datetime(2027, 3, 1, tzinfo=UTC)
    samples, step = await signal.history(now - timedelta(days=7), now, 5)
    await signal.close()

    assert [(0, 2), (10, 3)] == [(at.timestamp(), value) for at, value in samples]
    assert timedelta(seconds=60.48) == step  # a server gives 11,000 points at most


@pytest.mark.parametrize(
    ("bad", "says", "later", "status", "headers"),
    [
        (False, "it answers HTTP 200", None, 200, {}),
        (True, "it answers HTTP 204", None, 204, {}),
        (True, "it answers HTTP 302", None, 302, {"Location": "/elsewhere"}),
        (True, "it answers HTTP 404", None, 404, {}),
        (True, "it answers HTTP 429", 30, 429, {"Retry-After": "30"}),
        (True, "it answers HTTP 503", LONGEST_SECONDS, 503, {"Retry-After": "86400"}),
    ],
)
async def test_only_a_200_goes(answering: Answering, bad: bool, says: str, later: float | None, status: int, headers):
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    found = await seen(HttpSignal(HttpAsking(), await answering(handler), SystemClock(), seconds=5))

    assert Seen(None, bad, says, None if later is None else timedelta(seconds=later)) == found


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        (Seen(3.5), '{"load": {"one": [3.5]}}'),
        ("its answer has no 'load.one.0'", '{"load": {}}'),
        ("'load.one.0' in its answer is no number", '{"load": {"one": [true]}}'),
        ("it answers HTTP 200, and what is no JSON", "hello"),
    ],
)
async def test_a_number_stands_under_a_path(answering: Answering, expected: Seen | str, body: str):
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=body)

    url = await answering(handler)
    signal = HttpSignal(HttpAsking(), url, SystemClock(), seconds=5, value=("load", "one", "0"))

    assert expected == await seen(signal)


async def test_what_cannot_be_asked_is_a_failed_look():
    def missing() -> dict[str, str]:
        raise SecretMissing("token")

    nobody = HttpSignal(HttpAsking(), "http://127.0.0.1:9/", SystemClock(), seconds=5)
    forbidden = HttpSignal(HttpAsking(), "http://169.254.169.254/", SystemClock(), seconds=5)
    secret = HttpSignal(HttpAsking(missing), "http://127.0.0.1:9/", SystemClock(), seconds=5)

    assert "no connection" in str(await seen(nobody))
    assert "never a target" in str(await seen(forbidden))
    assert "the secret 'token' is not defined" in str(await seen(secret))


@pytest.mark.parametrize(
    ("expected", "text"),
    [("the migration runs", "the migration runs\nuntil noon"), ("{path} exists", ""), ("x" * 197 + "…", "x" * 5000)],
)
async def test_a_file_holds_while_it_exists_and_its_first_line_says_why(tmp_path: Path, expected: str, text: str):
    path = tmp_path / "freeze"
    before = await seen(FileSignal(path))
    path.write_text(text)

    assert Seen(text=f"{path} does not exist") == before
    assert Seen(bad=True, text=expected.format(path=path)) == await seen(FileSignal(path))


async def test_a_folder_holds_too_and_so_does_a_link_to_nowhere(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    assert Seen(bad=True, text=f"{tmp_path}/folder exists") == await seen(FileSignal(tmp_path / "folder"))
    assert Seen(bad=True, text=f"{tmp_path}/link exists") == await seen(FileSignal(tmp_path / "link"))


async def test_no_connection_is_kept_between_looks_that_are_rare(answering: Answering):
    """A kept one is watched over ten times a second, and would be over before the next look."""
    callers: set[Any] = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        callers.add(request.transport.get_extra_info("peername"))
        return web.Response()

    signal = HttpSignal(HttpAsking(keeps=False), await answering(handler), SystemClock(), seconds=5)
    for _ in range(2):
        await signal.look()

    assert 2 == len(callers)
