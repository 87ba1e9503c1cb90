"""What every route may rely on."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from pydantic import Field
from structlog.testing import capture_logs
from tests.api.conftest import Serve

from backfilld.api.framework.reading import strict_json
from backfilld.api.framework.reading.fields import Answer, Body, Id, Page
from backfilld.api.framework.reading.validating import validate_body
from backfilld.api.framework.router import OtherMethods, Router
from backfilld.api.framework.routing import Pagination, Reply, RequestContext, Route
from backfilld.domain.errors import Fault, Invalid


class Thing(Answer):
    name: str
    size: int


class MakeThing(Body):
    name: str
    size: Id


async def make(asked: RequestContext[MakeThing, None]) -> Reply:
    thing = Thing(name=asked.body.name, size=asked.body.size)
    return Reply({"thing": thing}, headers={"Location": "/public-api/things/1"}, warnings=["careful"])


async def show(asked: RequestContext[None, Page]) -> Reply:
    return Reply({"id": asked.path["id"], "page_size": asked.query.page_size}, pagination=Pagination("next"))


ROUTES = [
    Route("POST", "/public-api/things", make, "operator", "Make a thing", Thing, body=MakeThing, status=201),
    Route("GET", "/public-api/things/{id}", show, "viewer", "Show it", Thing, query=Page, path_types={"id": UUID}),
]


async def test_a_success_comes_in_its_envelope(serve: Serve) -> None:
    client = await serve(ROUTES)
    answer = await client.post("/public-api/things", json={"name": "a", "size": 1.0})
    body: dict[str, Any] = await answer.json()

    assert 201 == answer.status
    assert "/public-api/things/1" == answer.headers["Location"]
    assert {"thing": {"name": "a", "size": 1}} == body["data"]
    assert ["careful"] == body["meta"]["warnings"]
    assert {"has_more": False, "next_cursor": None} == body["meta"]["pagination"]
    assert answer.headers["X-Request-Id"] == body["meta"]["request_id"]
    assert {"total"} == set(body["meta"]["timings_ms"])


async def test_all_faults_come_at_once(serve: Serve) -> None:
    client = await serve(ROUTES)
    answer = await client.post("/public-api/things?x=1", json={"nam": "a", "size": "big"})
    found = {(fault["path"], fault["code"]) for fault in (await answer.json())["error"]["details"]}

    assert 422 == answer.status
    assert {
        ("/name", "missing"),
        ("/nam", "unknown_field"),
        ("/size", "invalid_type"),
        ("/query/x", "unknown_parameter"),
    } == found


async def test_query_path_and_pagination_arrive(serve: Serve) -> None:
    client = await serve(ROUTES)
    thing = uuid4()
    answer = await client.get(f"/public-api/things/{thing}?page_size=3")
    body = await answer.json()

    assert {"id": str(thing), "page_size": 3} == body["data"]
    assert {"has_more": True, "next_cursor": "next"} == body["meta"]["pagination"]


async def test_a_malformed_id_names_nothing(serve: Serve) -> None:
    client = await serve(ROUTES)
    answer = await client.get("/public-api/things/12")

    assert 404 == answer.status
    assert "not_found" == (await answer.json())["error"]["code"]


async def test_a_cursor_that_cannot_be_read_is_told_with_everything_else(serve: Serve) -> None:
    client = await serve(ROUTES)
    answer = await client.get(f"/public-api/things/{uuid4()}?cursor=x&page_size=0&other=1")
    found = {(fault["path"], fault["code"]) for fault in (await answer.json())["error"]["details"]}

    assert {
        ("/query/cursor", "invalid_cursor"),
        ("/query/page_size", "out_of_range"),
        ("/query/other", "unknown_parameter"),
    } == found


async def test_whatever_is_logged_for_a_request_carries_its_id(serve: Serve) -> None:
    async def speak(asked: RequestContext[None, None]) -> Reply:
        structlog.get_logger("anybody").info("spoken")
        return Reply({})

    client = await serve([Route("POST", "/public-api/speak", speak, "viewer", "Speak", None)])
    ids = [str(uuid4()), str(uuid4())]
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        for id_ in ids:
            await client.post("/public-api/speak", headers={"X-Request-Id": id_})

    assert ids == [line["request_id"] for line in lines if line["event"] == "spoken"]


async def answer(_):
    return Reply({})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/t/preview", ("POST",)),
        ("DELETE", "/t/preview", ("POST",)),
        ("PUT", "/t/preview", ("POST",)),
        ("PUT", "/t/1", ("DELETE", "GET", "HEAD", "PATCH")),
        ("PUT", "/n/schema", ("DELETE", "GET", "HEAD")),
    ],
)
def test_a_path_of_its_own_has_its_own_methods(method, path, allowed):
    def route(method, path, **types):
        return Route(method, path, answer, None, "x", None, path_types=types)

    numbered = [route(method, "/t/{id}", id=int) for method in ("GET", "PATCH", "DELETE")]
    named = [route("GET", "/n/schema"), route("DELETE", "/n/{name}", name=str)]
    router = Router([*numbered, route("POST", "/t/preview"), *named])

    assert OtherMethods(allowed) == router.find(method, path)
    assert "schema" == router.find("DELETE", "/n/schema").raw["name"]


class Limited(Body):
    pace: float = Field(1, ge=0.00001, le=1_000_000)
    cost: float = Field(1, gt=0)
    count: int = Field(1, le=10)
    names: list[str] = Field(["a"], min_length=1)
    word: str = Field("a", min_length=1, max_length=3)


@pytest.mark.parametrize(("sent", "told"), [
    (b'{"pace": 0}', "/pace: must be at least 0.00001"),
    (b'{"pace": 1e7}', "/pace: must be at most 1000000"),
    (b'{"cost": 0}', "/cost: must be more than 0"),
    (b'{"count": 11}', "/count: must be at most 10"),
    (b'{"names": []}', "/names: must have at least 1 entry"),
    (b'{"word": ""}', "/word: must have at least 1 character"),
    (b'{"word": "abcd"}', "/word: must have at most 3 characters"),
])  # fmt: skip
def test_limits_are_told_as_people_write_numbers(sent: bytes, told: str) -> None:
    _, faults = validate_body(Limited, strict_json.parse(sent), sent)

    assert told == Invalid(faults).message


def test_a_fault_of_the_whole_body_names_the_body() -> None:
    assert "the body must be an object" == Invalid([Fault("", "invalid_type", "must be an object")]).message
