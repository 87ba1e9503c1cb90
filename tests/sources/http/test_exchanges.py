"""A request and its answer, as each system gives it: what is sent, letter by letter, and what is made of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from yarl import URL

from backfilld.sources.base import SourceBroken, SourceRefused, SourceUnreachable
from backfilld.sources.http import paging
from backfilld.sources.http.answers import Answer, NotThere, NotUnderstood, Throttled, meaning_of
from backfilld.sources.http.asking.connection import url_of
from backfilld.sources.http.dialects import autotask, connectwise
from backfilld.sources.http.dialects.autotask import AutotaskDialect
from backfilld.sources.http.dialects.connectwise import ConnectWiseDialect
from backfilld.sources.http.dialects.generic import GenericDialect
from backfilld.sources.http.dialects.halo import HaloDialect
from backfilld.sources.http.places import Place
from backfilld.sources.http.push import Pushed
from backfilld.sources.http.records import RecordReader
from backfilld.sources.http.shape import Paging, Reading, Request, Resource

CASES = Path(__file__).parents[2] / "cases" / "http_sources"
KINDS = {
    "source_broken": SourceBroken,
    "source_refused": SourceRefused,
    "source_unreachable": SourceUnreachable,
    "throttled": Throttled,
    "gone": NotThere,
    "no children": NotThere,
    "pushed rules": NotUnderstood,
    "codebase asked": NotUnderstood,
    "while planning": NotUnderstood,
}


def cases(system: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CASES / f"{system}_exchanges.json").read_text())["cases"]
    return found


def answer_of(case: Mapping[str, Any]) -> Answer:
    told = case["response"]
    body = told["text"].encode() if "text" in told else orjson.dumps(told.get("json"))
    headers = {name.lower(): value for name, value in told.get("headers", {}).items()}
    path = case["request"]["path"]
    return Answer(told["status"], body, headers, f"https://api.example.com{path}")


def path_of(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.split(".")) if dotted else ()


# Any API


@pytest.mark.parametrize("case", cases("generic"), ids=lambda case: case["name"])
def test_any_api_goes_on_as_its_paging_says(case: dict[str, Any]) -> None:
    known = dict(case["paging"])
    kind = known.pop("type")
    paths = {name: path_of(known.pop(name)) for name in ("total", "cursor", "url") if name in known}
    order = {"order": "id"} if kind == "keyset" else {}
    resource = Resource(
        "ticket", "/records", Paging(kind, **known, **paths, order=order), records=path_of(case["records"])
    )
    value = case["request"]["query"].get(resource.paging.parameter or "")
    dialect, answer = GenericDialect(), answer_of(case)
    place = Place(int(value) if value and value.isdecimal() else value)

    def following() -> Place | None:
        reader = RecordReader(resource)
        document = answer.document()
        ids = reader.raw_ids(reader.listed(document, "GET /records"), "GET /records")
        return dialect.behind(resource, place, answer, document, ids, short_is_last=False)

    if kind not in ("none", "link_header", "next_url"):
        assert case["request"]["query"] == dialect.page(resource, Pushed(), place, resource.paging.size).query
    if (problem := _problem_named(case)) is not None:
        with pytest.raises(problem):
            following()
    elif "then_url" in case:
        assert str(URL(answer.url).join(URL(case["then_url"]))) == following().value
    elif case["then"] is None:
        assert following() is None
    else:
        assert case["then"] == dialect.page(resource, Pushed(), following(), resource.paging.size).query


def _problem_named(case: dict[str, Any]) -> type[Exception] | None:
    means = case.get("means", "")
    return next((kind for word, kind in KINDS.items() if means.startswith(word)), None)


# Autotask

TICKETS = Resource("ticket", "/Tickets", Paging("keyset", "id", size=500), entity="Tickets", records=("items",))
HISTORY = Resource("audit_trail", "", Paging("none", size=500), entity="TicketHistory", parent_field="ticketID")
STATUS_1 = Pushed(({"op": "eq", "field": "status", "value": 1},))
AT = AutotaskDialect()
AUTOTASK: dict[str, Request] = {
    "fields": AT.metadata(TICKETS)[0],
    "user-defined fields": AT.metadata(TICKETS)[1],
    "first page": AT.page(TICKETS, Pushed(), Place(), 2),
    "next page, by id": AT.page(TICKETS, Pushed(), Place(2), 2),
    "a full last page": AT.page(TICKETS, Pushed(), Place(7), 2),
    "ids not ascending": AT.page(TICKETS, Pushed(), Place(), 2),
    "count": AT.count(TICKETS, STATUS_1),  # type: ignore[dict-item] # one that can be counted
    "read by ids": AT.many(TICKETS, ["1", "2", "999"]),
    "history of one ticket": AT.page(HISTORY, Pushed(), Place(), 500, 7),
    "usage": autotask.USAGE,
}


@pytest.mark.parametrize("name", AUTOTASK)
def test_autotask_is_asked_letter_by_letter(name: str) -> None:
    [case] = [one for one in cases("autotask") if one["name"] == name]
    sent = AUTOTASK[name]

    assert case["request"]["method"] == sent.method
    assert case["request"]["path"] == f"/atservicesrest/v1.0{sent.path}"
    assert case["request"].get("json") == sent.json


@pytest.mark.parametrize("case", [one for one in cases("autotask") if _problem_named(one)], ids=lambda one: one["name"])
def test_autotask_means_what_it_says(case: dict[str, Any]) -> None:
    assert_means(case, autotask.meaning, TICKETS)


# ConnectWise

BASE = "/v4_6_release/apis/3.0"
SERVICE = Resource("ticket", "/service/tickets", Paging("keyset", "pageId", "pageSize", 1000), can_search=True)
ROLES = Resource("role", "/company/teamRoles", Paging("keyset", "pageId", "pageSize", 1000))
NOTES = Resource("note", "/service/tickets/{parent}/notes", Paging("keyset", "pageId", "pageSize", 1000))
CW = ConnectWiseDialect()
CONNECTWISE: dict[str, Request] = {
    "first page": CW.page(SERVICE, Pushed(), Place(), 1000),
    "next page, by id": CW.page(SERVICE, Pushed(), Place(2), 1000),
    "an empty page": CW.page(SERVICE, Pushed(), Place(9), 1000),
    "forward-only not supported here": CW.page(ROLES, Pushed(), Place(), 1000),
    "by conditions": CW.page(ROLES, Pushed(), Place("id > 1"), 1000),
    "count": CW.count(SERVICE, Pushed((("status/id = 16", False),))),  # type: ignore[dict-item]
    "read by ids": CW.many(SERVICE, ["1", "2", "999"]),
    "children of one parent": CW.page(NOTES, Pushed(), Place(), 1000, 7),
}


@pytest.mark.parametrize("name", CONNECTWISE)
def test_connectwise_is_asked_letter_by_letter(name: str) -> None:
    [case] = [one for one in cases("connectwise") if one["name"] == name]
    sent = CONNECTWISE[name]

    assert case["request"]["method"] == sent.method
    assert case["request"]["path"] == BASE + sent.path
    assert case["request"].get("query", {}) == sent.query
    if name != "count":  # which has no pages
        assert case["request"]["headers"].get("pagination-type") == sent.headers.get("pagination-type")
    assert len(url_of("https://cw.example.com" + BASE, sent)) < 2000


@pytest.mark.parametrize(
    "case", [one for one in cases("connectwise") if _problem_named(one)], ids=lambda one: one["name"]
)
def test_connectwise_means_what_it_says(case: dict[str, Any]) -> None:
    assert_means(case, connectwise.meaning, SERVICE)


# HaloPSA

PAGES = Paging(
    "page", "page_no", "page_size", 100, {"pageinate": "true", "order": "id", "orderdesc": "false"},
    total=("record_count",), size_is_kept=True,
)  # fmt: skip
HALO = Resource("ticket", "/tickets", PAGES, records=("tickets",), read=Reading("one", path="/{id}"))
TEAM = Resource("team", "/team", Paging("none"))
HA = HaloDialect()
HALOPSA: dict[str, Request] = {
    "first page": HA.page(HALO, Pushed(), Place(1), 100),
    "second page": HA.page(HALO, Pushed(), Place(2), 100),
    "something moved while listing": HA.page(HALO, Pushed(), Place(2), 100),
    "count": HA.count(HALO, Pushed()),  # type: ignore[dict-item] # one that can be counted
    "read one": HA.one(HALO, "5"),
    "a type that is not paged": HA.page(TEAM, Pushed(), Place(), 100),
}


@pytest.mark.parametrize("name", HALOPSA)
def test_halo_is_asked_letter_by_letter(name: str) -> None:
    [case] = [one for one in cases("halo") if one["name"] == name]
    sent = HALOPSA[name]

    assert ("GET", f"/api{sent.path}") == (case["request"]["method"], case["request"]["path"])
    assert case["request"]["query"] == sent.query


@pytest.mark.parametrize(
    "case",
    [one for one in cases("halo") if _problem_named(one) and one["response"]["status"] != 400],
    ids=lambda one: one["name"],
)
def test_halo_means_what_it_says(case: dict[str, Any]) -> None:
    assert_means(case, meaning_of, HALO)


def assert_means(case: dict[str, Any], meaning: Any, resource: Resource) -> None:
    """What is raised by the answer itself, or by reading it."""
    expected, answer = _problem_named(case), answer_of(case)
    wait = answer.headers.get("retry-after")

    def read() -> None:
        if (problem := meaning(answer, "where", lambda text: text, float(wait) if wait else None)) is not None:
            raise problem
        reader = RecordReader(resource)
        ids = reader.raw_ids(reader.listed(answer.document(), "where"), "where")
        paging.require_ascending(resource.paging, Place(), ids)

    assert expected is not None
    if "zone" in case["name"] and answer.status == 200:
        return  # seen to where the zone is asked for
    with pytest.raises(expected) as raised:
        read()
    if wait is not None:
        assert isinstance(raised.value, Throttled)
        assert float(wait) == raised.value.seconds


# Those that are about more than one request, and where each is seen to
ELSEWHERE = {
    (
        "autotask",
        "which zone the user is in: no credentials are sent",
    ): "test_the_zone_is_asked_for_without_credentials",
    ("autotask", "company 0 exists"): "test_other_types_are_listed",
    ("autotask", "history with any other filter"): "test_the_history_of_tickets_is_asked_for_by_ticket_alone",
    (
        "autotask",
        "wrong secret, or the zone has moved",
    ): "test_a_wrong_secret_is_refused_after_the_zone_was_asked_again",
    ("autotask", "too many at once, with another status"): "test_too_many_at_once_slows_that_endpoint_alone",
    ("connectwise", "codebase: no credentials are sent"): "test_the_codebase_is_asked_for_without_credentials",
    ("connectwise", "long conditions"): "test_long_conditions_go_into_a_body",
    ("connectwise", "audit trail of one record"): "test_what_has_no_id_over_there_is_not_offered",
    ("halo", "token"): "test_a_token_is_asked_for_with_a_form",
    ("halo", "token no longer good"): "test_a_token_that_ended_is_replaced_once",
}


@pytest.mark.parametrize("system", ["autotask", "connectwise", "halo"])
def test_every_exchange_is_seen_to(system: str) -> None:
    asked = {"autotask": AUTOTASK, "connectwise": CONNECTWISE, "halo": HALOPSA}[system]
    named = {name for of, name in ELSEWHERE if of == system}
    rest = {one["name"] for one in cases(system) if one["name"] not in asked and _problem_named(one) is None}
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))

    assert named == rest
    assert [] == [test for test in ELSEWHERE.values() if f"def {test}(" not in tests]
