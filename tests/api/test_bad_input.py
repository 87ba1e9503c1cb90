"""What comes in from people who err, and from people who attack."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest
from pydantic import Field
from tests.api.conftest import Client, Serve
from yarl import URL

from backfilld.api.framework.reading.fields import WHOLE, Answer, Body, Instant, LocalDate, Query
from backfilld.api.framework.route_call import BodyLimits
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.framework.server import ServerOptions
from backfilld.domain.errors import Conflict

LIMIT = 64 * 1024
PATH = "/public-api/things"
ACTION = "/public-api/things/pause"
JSON = {"Content-Type": "application/json"}


class Inner(Body):
    kind: Literal["red", "green"]
    sizes: list[Annotated[int, Field(ge=1, le=10), WHOLE]] = Field(default_factory=list)


class Thing(Body):
    name: str | None = None
    free: dict[str, Any] | None = None
    inner: Inner | None = None
    at: Instant | None = None
    on: LocalDate | None = None
    ratio: float | None = None
    is_on: bool | None = None


class Why(Body):
    reason: str | None = None


class Which(Query):
    status: list[Literal["red", "green"]] = Field(default_factory=list)
    size: int | None = Field(None, ge=1)
    at: Instant | None = None
    flag: bool = False


class Echo(Answer):
    echo: dict[str, Any]


async def echo(asked: RequestContext[Thing, None]) -> Reply:
    return Reply({"echo": asked.body.model_dump(mode="json", exclude_unset=True)})


async def pause(asked: RequestContext[Why | None, None]) -> Reply:
    return Reply({"echo": {"reason": asked.body.reason if asked.body else None}})


async def look(asked: RequestContext[None, Which]) -> Reply:
    return Reply({"echo": asked.query.model_dump(mode="json")})


async def fail(asked: RequestContext[None, None]) -> Reply:
    raise FAILURES[asked.path["how"]]


async def name(asked: RequestContext[None, None]) -> Reply:
    return Reply({"echo": {"name": asked.path["name"]}})


FAILURES: dict[str, Exception] = {
    "bug": ZeroDivisionError("the secret is 12345"),
    "refused": ConnectionRefusedError("refused"),
    "interface": asyncpg.InterfaceError("pool is closing"),
    "restart": asyncpg.AdminShutdownError("terminating connection"),
    "slow": TimeoutError(),
    "conflict": Conflict("taken", code="taken", details={"by": "somebody"}),
}
ROUTES = [
    Route("POST", PATH, echo, "operator", "Echo", Echo, body=Thing),
    Route("POST", ACTION, pause, "operator", "Pause", Echo, body=Why, body_optional=True),
    Route("POST", "/public-api/bare", look, "operator", "No body", Echo, query=Which),
    Route("GET", PATH, look, "viewer", "Look", Echo, query=Which),
    Route("GET", "/public-api/fail/{how}", fail, "viewer", "Fail", Echo),
    Route("GET", "/api/fail/{how}", fail, "viewer", "Fail", Echo),
    Route("GET", "/public-api/named/{name}", name, "viewer", "Name", Echo),
]


@pytest.fixture
async def client(serve: Serve) -> Client:
    return await serve(ROUTES, options=ServerOptions(body=BodyLimits(LIMIT, 0.3), stop_timeout_seconds=1))


async def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await answer.json())["error"]
    return found


async def faults(answer: Any) -> list[tuple[str, str]]:
    return [(fault["path"], fault["code"]) for fault in (await error(answer))["details"]]


UNREADABLE = {
    "not json": b"nonsense",
    "nothing": b" ",
    "not utf-8": b'{"name": "\xff"}',
    "utf-16": '{"name": "x"}'.encode("utf-16"),
    "two documents": b"{}{}",
    "open end": b'{"name": "x"',
    "comment": b'{"name": "x" /* why */}',
    "single quotes": b"{'name': 'x'}",
    "trailing comma": b'{"name": "x",}',
    "raw control character": b'{"name": "a\x01b"}',
    "duplicate key": b'{"name": "a", "name": "b"}',
    "duplicate key, escaped": b'{"name": "a", "n\\u0061me": "b"}',
    "duplicate key far inside": b'{"free": {"a": [{"b": 1, "b": 1}]}}',
    "NaN": b'{"ratio": NaN}',
    "Infinity": b'{"ratio": -Infinity}',
    "beyond a double": b'{"ratio": 1e400}',
    "absurd digits": b'{"ratio": ' + b"9" * 5_000 + b"}",
    "deep lists": b'{"free": ' + b"[" * 64 + b"]" * 64 + b"}",
    "very deep lists": b"[" * 30_000 + b"]" * 30_000,
    "very deep objects": b'{"a":' * 9_000,
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_cannot_be_read_is_400(client: Client, raw: bytes) -> None:
    answer = await client.post(PATH, data=raw, headers=JSON)

    assert 400 == answer.status
    assert (await error(answer))["code"] in ("unreadable", "duplicate_key")


WRONG = {
    "a list": (b"[]", [("", "invalid_type")]),
    "a text": (b'"x"', [("", "invalid_type")]),
    "a number": (b"5", [("", "invalid_type")]),
    "null": (b"null", [("", "invalid_type")]),
    "NUL": (b'{"name": "a\\u0000b"}', [("/name", "invalid_text")]),
    "half a surrogate": (b'{"name": "\\ud800"}', [("/name", "invalid_text")]),
    "the other half": (b'{"free": {"x": ["\\udfff"]}}', [("/free/x/0", "invalid_text")]),
    "NUL in a key": (b'{"free": {"a\\u0000": 1}}', [("/free/a\ufffd", "invalid_text")]),
    "more than 64 bits": (b'{"free": {"n": 123456789012345678901}}', [("/free/n", "out_of_range")]),
    "text for a number": (b'{"ratio": "1"}', [("/ratio", "invalid_type")]),
    "number for a text": (b'{"name": 1}', [("/name", "invalid_type")]),
    "number for a boolean": (b'{"is_on": 1}', [("/is_on", "invalid_type")]),
    "an instant without offset": (b'{"at": "2027-01-01T00:00:00"}', [("/at", "invalid_instant")]),
    "a number for an instant": (b'{"at": 0}', [("/at", "invalid_type")]),
    "a day that is not": (b'{"on": "2027-02-29"}', [("/on", "invalid_date")]),
    "an instant for a date": (b'{"on": "2027-01-01T00:00:00Z"}', [("/on", "invalid_date")]),
    "a fraction for a whole": (b'{"inner": {"kind": "red", "sizes": [1.5]}}', [("/inner/sizes/0", "invalid_type")]),
    "out of range": (b'{"inner": {"kind": "red", "sizes": [1, 11, 0]}}',
                     [("/inner/sizes/1", "out_of_range"), ("/inner/sizes/2", "out_of_range")]),
    "a slash in a name": (b'{"free": null, "a/b~c": 1}', [("/a~1b~0c", "unknown_field")]),
    "text and type at once": (b'{"name": "\\u0000", "ratio": "x"}',
                              [("/name", "invalid_text"), ("/ratio", "invalid_type")]),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), WRONG.values(), ids=WRONG.keys())
async def test_what_is_read_and_wrong_is_422_with_its_place(client: Client, raw: bytes, expected: Any) -> None:
    answer = await client.post(PATH, data=raw, headers=JSON)

    assert 422 == answer.status
    assert expected == await faults(answer)


async def test_names_and_values_come_with_the_nearest_valid_one(client: Client) -> None:
    answer = await client.post(PATH, json={"nam": "x", "inner": {"kind": "gren", "sise": 1}})
    found = {fault["path"]: fault for fault in (await error(answer))["details"]}

    assert ["name"] == found["/nam"]["allowed"]
    assert "did you mean 'name'?" in found["/nam"]["message"]
    assert ["green", "red"] == found["/inner/kind"]["allowed"]
    assert ["sizes"] == found["/inner/sise"]["allowed"]


async def test_at_most_fifty_faults_are_named(client: Client) -> None:
    answer = await client.post(PATH, json={f"x{number}": 1 for number in range(80)})

    assert 50 == len(await faults(answer))


READABLE = {
    "a byte order mark": (b"\xef\xbb\xbf" + b'{"name": "x"}', {"name": "x"}),
    "whole floats": (b'{"inner": {"kind": "red", "sizes": [1.0, 2e0]}}', {"inner": {"kind": "red", "sizes": [1, 2]}}),
    "an offset": (b'{"at": "2027-01-01T00:00:00.5+01:00"}', {"at": "2026-12-31T23:00:00.500000Z"}),
    "a pair of surrogates": (b'{"name": "\\ud83d\\ude00"}', {"name": "\U0001f600"}),
    "64 levels": (b'{"free": {"x": ' + b"[" * 62 + b"]" * 62 + b"}}", None),
    "a large number": (b'{"free": {"n": 18446744073709551615}}', {"free": {"n": 2**64 - 1}}),
}


@pytest.mark.parametrize(("raw", "expected"), READABLE.values(), ids=READABLE.keys())
async def test_what_is_unusual_and_right_is_taken(client: Client, raw: bytes, expected: Any) -> None:
    answer = await client.post(PATH, data=raw, headers=JSON)

    assert 200 == answer.status
    assert expected is None or expected == (await answer.json())["data"]["echo"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (None, 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("json", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=UTF-8", 200),
        ("APPLICATION/JSON", 200),
        ('application/json; charset="utf-8"; boundary=x', 200),
    ],
)
async def test_only_json_is_read(client: Client, kind: str | None, status: int) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = await client.session.post(PATH, data=b"{}", headers=headers, skip_auto_headers=["Content-Type"])

    assert status == answer.status


async def test_an_action_takes_no_body_at_all(client: Client) -> None:
    statuses = [
        (await client.session.post(ACTION, skip_auto_headers=["Content-Type"])).status,
        (await client.session.post(ACTION, data=b"", headers={"Content-Type": "text/plain"})).status,
        (await client.post(ACTION, json={})).status,
        (await client.post(ACTION, json={"reason": "x"})).status,
        (await client.post(ACTION, json={"reasn": "x"})).status,
    ]

    assert [200, 200, 200, 200, 422] == statuses


async def test_a_body_where_none_is_taken_is_not_ignored(client: Client) -> None:
    answers = [await client.post("/public-api/bare", data=raw) for raw in (b"", b"{}", b'{"a": 1}', b"[]", b"x")]

    assert [200, 200, 422, 422, 400] == [answer.status for answer in answers]
    assert [("/a", "unknown_field")] == await faults(answers[2])


GZIP = {**JSON, "Content-Encoding": "gzip"}
PACKED = gzip.compress(json.dumps({"name": "x" * 1000}).encode())


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (PACKED, GZIP, 200),
        (gzip.compress(b'{"name":') + gzip.compress(b'"x"}'), GZIP, 200),
        (PACKED, {**JSON, "Content-Encoding": "GZIP"}, 200),
        (PACKED[:-9], GZIP, 400),
        (PACKED[:5], GZIP, 400),
        (PACKED + b"rest", GZIP, 400),
        (b"nonsense", GZIP, 400),
        (PACKED[:-8] + b"\0" * 8, GZIP, 400),
        (PACKED, JSON, 400),
        (b"{}", GZIP, 400),
        (zlib.compress(b"{}"), {**JSON, "Content-Encoding": "deflate"}, 415),
        (b"{}", {**JSON, "Content-Encoding": "br"}, 415),
        (gzip.compress(PACKED), {**JSON, "Content-Encoding": "gzip, gzip"}, 415),
        (b"{}", {**JSON, "Content-Encoding": "identity"}, 200),
        (gzip.compress(b" " * (LIMIT + 1)), GZIP, 413),
        (gzip.compress(b"\0" * (1 << 24), compresslevel=1), GZIP, 413),
        (b" " * (LIMIT + 1), JSON, 413),
        (b"{}" + b" " * (LIMIT - 2), JSON, 200),
    ],
)  # fmt: skip
async def test_zipped_bodies_are_bounded_and_whole(client: Client, body: bytes, headers: Any, status: int) -> None:
    answer = await client.post(PATH, data=body, headers=headers)

    assert status == answer.status


async def test_a_body_without_a_length_is_bounded_too(client: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LIMIT // 1024 + 2):
            yield b" " * 1024

    answer = await client.post(PATH, data=endless(), headers=JSON)

    assert 413 == answer.status


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("size=0", [("/query/size", "out_of_range")]),
        ("size=x&flag=perhaps", [("/query/size", "invalid_type"), ("/query/flag", "invalid_type")]),
        ("size=1&size=2", [("/query/size", "repeated")]),
        ("status=red&status=blue", [("/query/status", "invalid_value")]),
        ("stat=red&other=1", [("/query/stat", "unknown_parameter"), ("/query/other", "unknown_parameter")]),
        ("at=yesterday", [("/query/at", "invalid_instant")]),
        ("size=%00", [("/query/size", "invalid_text")]),
        ("size=", [("/query/size", "invalid_type")]),
        ("size=99999999999999999999999999", [("/query/size", "out_of_range")]),
    ],
)  # fmt: skip
async def test_query_parameters_are_looked_at(client: Client, query: str, expected: Any) -> None:
    answer = await client.get(f"{PATH}?{query}")

    assert 422 == answer.status
    assert expected == await faults(answer)


async def test_a_list_may_be_repeated_in_a_query(client: Client) -> None:
    answer = await client.get(f"{PATH}?status=red&status=green&flag=True&at=2027-01-01T00:00:00%2B01:00")
    found = (await answer.json())["data"]["echo"]

    assert {"status": ["red", "green"], "flag": True, "size": None, "at": "2026-12-31T23:00:00Z"} == found


@pytest.mark.parametrize("name", ["a/b", "50%", "%2F", "ä", "a b", "{x}", "..", "a?b#c", "\U0001f600", "a\nb", "\r"])
async def test_any_name_may_stand_in_a_path(client: Client, name: str) -> None:
    url = URL(f"{client.server.url}/public-api/named/{quote(name, safe='').replace('.', '%2E')}", encoded=True)
    async with client.session.get(url) as answer:
        found = await answer.json()

    assert name == found["data"]["echo"]["name"]


async def test_an_unknown_path_and_an_unknown_method(client: Client) -> None:
    missing = await client.get("/public-api/nothing")
    method = await client.put(PATH)
    trailing = await client.get(PATH + "/")

    assert (404, "not_found") == (missing.status, (await error(missing))["code"])
    assert (405, "GET, HEAD, POST") == (method.status, method.headers["Allow"])
    assert "method_not_allowed" == (await error(method))["code"]
    assert 404 == trailing.status


async def test_head_is_get_without_a_body(client: Client) -> None:
    answer = await client.head(PATH)

    assert 200 == answer.status
    assert b"" == await answer.read()


@pytest.mark.parametrize("path", [PATH, "/public-api/nothing", "/public-api/fail/bug", "/public-api/fail/conflict"])
async def test_the_callers_request_id_is_kept(client: Client, path: str) -> None:
    request_id = str(uuid4())
    answer = await client.get(path, headers={"X-Request-Id": request_id})

    assert request_id == answer.headers["X-Request-Id"] == (await answer.json())["meta"]["request_id"]


@pytest.mark.parametrize("sent", ["", "not-a-uuid", "x" * 200])
async def test_any_other_request_id_is_replaced(client: Client, sent: str) -> None:
    answer = await client.get(PATH, headers={"X-Request-Id": sent})

    assert sent != answer.headers["X-Request-Id"]
    assert 36 == len(answer.headers["X-Request-Id"])


async def test_a_bug_shows_nothing_of_itself(client: Client) -> None:
    answer = await client.get("/public-api/fail/bug")
    text = await answer.text()

    assert (500, "internal") == (answer.status, json.loads(text)["error"]["code"])
    assert "12345" not in text
    assert "ZeroDivision" not in text


@pytest.mark.parametrize("how", ["refused", "interface", "restart", "slow"])
async def test_a_database_that_is_away_is_503(client: Client, how: str) -> None:
    answer = await client.get(f"/public-api/fail/{how}")

    assert (503, "unavailable") == (answer.status, (await error(answer))["code"])
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_conflict_may_say_with_what(client: Client) -> None:
    found = await error(await client.get("/public-api/fail/conflict"))

    assert {"code": "taken", "message": "taken", "details": [], "by": "somebody"} == found


@pytest.mark.parametrize(("path", "status"), [("/api/fail/bug", 500), ("/api/fail/conflict", 409), ("/api/no", 404)])
async def test_the_other_dialect_has_its_own_errors(client: Client, path: str, status: int) -> None:
    answer = await client.get(path)
    found = await answer.json()

    assert {"message", "status"} == set(found)
    assert (status, status) == (answer.status, found["status"])


async def test_answers_tell_browsers_to_be_careful(client: Client) -> None:
    answer = await client.get(PATH)

    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert "no-store" == answer.headers["Cache-Control"]
    assert "backfilld" == answer.headers["Server"]


async def spoken(client: Client, *pieces: bytes, close: bool = False, seconds: float = 5) -> bytes:
    """What the server answers to raw bytes, until it hangs up or `seconds` are over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    if close:
        writer.write_eof()
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(1 << 20)
    finally:
        writer.close()
        await writer.wait_closed()


HEAD = (
    b"POST "
    + PATH.encode()
    + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator\r\nContent-Type: application/json\r\n"
)
LAST = HEAD + b"Connection: close\r\nContent-Length: 2\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_not_http_is_answered_in_our_shape(client: Client, raw: bytes) -> None:
    head, _, body = (await spoken(client, raw)).partition(b"\r\n\r\n")
    found = json.loads(body)

    assert head.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert "unreadable" == found["error"]["code"]
    assert found["meta"]["request_id"].encode() in head
    assert b"Python" not in head


@pytest.mark.parametrize(("version", "closes"), [(b"1.0", True), (b"1.1", False)])
async def test_a_connection_of_http_1_0_ends_behind_a_transfer_encoding(client: Client, version, closes) -> None:
    head = (
        HEAD.replace(b"HTTP/1.1", b"HTTP/" + version) + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    request = head + b"2\r\n{}\r\n0\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    writer.write(request + request)
    said = b""
    async with asyncio.timeout(10):
        while said.count(b"HTTP/1.") < 2 and (piece := await reader.read(10_000)):
            said += piece
    writer.close()
    await writer.wait_closed()

    assert (1 if closes else 2) == said.count(b"HTTP/1.")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", b"431", "header_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X" * 20_000 + b": a\r\n\r\n", b"431", "header_too_long"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414", "address_too_long"),
        (b"GET /?q=" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414", "address_too_long"),
    ],
    ids=["value", "name", "path", "query"],
)
async def test_what_is_too_long_is_named(client: Client, raw: bytes, status: bytes, code: str) -> None:
    head, _, body = (await spoken(client, raw)).partition(b"\r\n\r\n")

    assert status == head.split(b" ")[1]
    assert code == json.loads(body)["error"]["code"]


async def test_a_body_that_never_comes_is_not_waited_for(client: Client) -> None:
    answer = await spoken(client, HEAD + b"Content-Length: 100\r\n\r\n", b'{"name"')

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"body_too_slow" in answer


async def test_a_body_that_says_it_is_too_large_is_not_read(client: Client) -> None:
    answer = await spoken(client, HEAD + b"Content-Length: 999999999\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_broken_chunk_hurts_nobody(client: Client) -> None:
    answer = await spoken(client, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")
    later = await client.get(PATH)

    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert 200 == later.status


async def test_who_hangs_up_in_the_middle_hurts_nobody(client: Client) -> None:
    await spoken(client, HEAD + b"Content-Length: 100\r\n\r\n", b'{"name"', close=True)

    assert 200 == (await client.get(PATH)).status


async def test_a_client_that_asks_whether_to_go_on_is_told_so(client: Client) -> None:
    answer = await spoken(
        client, HEAD + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"{}"
    )

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


async def test_another_expectation_cannot_be_met(client: Client) -> None:
    answer = await spoken(client, LAST + b"Expect: miracles\r\n\r\n", b"{}")

    assert answer.startswith(b"HTTP/1.1 417")


async def test_large_answers_are_zipped_for_those_who_take_it(client: Client) -> None:
    body = {"name": "x" * 10_000}
    zipped = await client.post(PATH, json=body, headers={"Accept-Encoding": "gzip"})
    plain = await client.post(PATH, json=body, headers={"Accept-Encoding": "identity"})

    assert ("gzip", None) == (zipped.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding"))
    assert await zipped.json() != await plain.json()  # only the request ids differ
    assert (await zipped.json())["data"] == (await plain.json())["data"]
