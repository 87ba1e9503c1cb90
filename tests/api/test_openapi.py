"""The document, its page, and whether they tell the truth."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from tests.api.conftest import Serve
from tests.support.all_routes import all_routes

from backfilld.api.reference.docs_page import page
from backfilld.api.reference.openapi import document
from backfilld.api.reference.operation_ids import is_chosen
from backfilld.domain.backfills.states import Status
from backfilld.domain.entities.records import ENTITY_TYPES
from backfilld.domain.sessions.records import AttemptStatus


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(all_routes())


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_openapi_3_1(described: dict[str, Any]) -> None:
    validate(described)

    assert "3.1.0" == described["openapi"]


def test_nothing_in_the_contract_is_still_to_come(described: dict[str, Any]) -> None:
    """What is described works: nothing is refused for being unfinished."""
    code = re.compile("not_supported_yet|not yet supported|not_implemented")
    root = Path(__file__).parents[2]
    sources = {file for file in (root / "src").rglob("*.py") if code.search(file.read_text(encoding="utf-8"))}

    assert None is code.search(json.dumps(described))
    assert set() == sources


def test_every_route_is_described(described: dict[str, Any]) -> None:
    shown = {(method, path) for method, path, _ in operations(described)}

    assert {(route.method, route.path) for route in all_routes() if not route.hidden} == shown


def test_operations_have_chosen_names_of_their_own(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]

    assert [] == [f"{route.method} {route.path}" for route in all_routes() if not (route.hidden or is_chosen(route))]
    assert len(names) == len(set(names))
    assert {"create_backfill", "rerun_failed", "list_ledger", "pause_backfill"} <= set(names)


def test_every_property_has_a_description_and_an_example_that_fits(described: dict[str, Any]) -> None:
    everything = Registry().with_resource("urn:all", Resource.from_contents(described, DRAFT202012))
    for model, schema in described["components"]["schemas"].items():
        for name, told in schema.get("properties", {}).items():
            where = f"{model}.{name}"
            own = {"$ref": f"urn:all#/components/schemas/{model}/properties/{name}"}

            assert told.get("description"), f"{where}: say what it is there, or in api/reference/glossary.toml"
            assert told.get("examples") or refers(told), f"{where}: give an example in api/reference/glossary.toml"
            for example in told.get("examples", []):
                assert [] == [
                    fault.message for fault in Draft202012Validator(own, registry=everything).iter_errors(example)
                ], where


def test_instants_say_that_they_are_ones(described: dict[str, Any]) -> None:
    """By their examples, in whatever spelling; bodies of the dialect take local times, too."""
    told = [
        (f"{model}.{name}", shown.get("format"))
        for model, schema in described["components"]["schemas"].items()
        for name, shown in schema.get("properties", {}).items()
        for example in shown.get("examples", [])[:1]
        if isinstance(example, str) and re.match(r"\d{4}-\d\d-\d\dT", example)
    ]

    assert 30 < len(told)
    assert [] == [where for where, format in told if format not in ("date-time", "date-time-or-local")]


@pytest.mark.parametrize(
    ("model", "name", "words"),
    [
        ("AttemptShape", "status", {str(status) for status in AttemptStatus}),
        ("LastAttemptShape", "status", {str(status) for status in AttemptStatus}),
        ("TaskShape", "state", {"blocked", "ready", "running", "success", "error", "canceled"}),
        ("BackfillAnswer", "status", {str(status) for status in Status}),
        ("EntityAnswer", "type", set(ENTITY_TYPES)),
    ],
)
def test_what_is_one_of_a_few_words_lists_them(
    described: dict[str, Any], model: str, name: str, words: set[str]
) -> None:
    schemas = described["components"]["schemas"]
    shown = schemas[model]["properties"][name]
    resolved = schemas[shown["$ref"].rpartition("/")[2]] if "$ref" in shown else shown

    assert words == set(resolved["enum"])


def test_the_parts_of_a_backfill_have_types(described: dict[str, Any]) -> None:
    parts = described["components"]["schemas"]["BackfillAnswer"]["properties"]
    expected = {
        "error": "BackfillErrorAnswer", "filter_spec": "FilterSpec", "filter_resolved": "FilterSpec",
        "daily_execution_windows": "WeeklyWindows", "effective_windows": "WeeklyWindows",
        "status_reason": "StatusReasonAnswer",
    }  # fmt: skip

    assert expected == {name: parts[name]["anyOf"][0]["$ref"].rpartition("/")[2] for name in expected}


def refers(schema: Any) -> bool:
    """Whether what it means stands elsewhere, with examples of its own."""
    parts = [schema.get("items"), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return "$ref" in schema or any(isinstance(part, dict) and refers(part) for part in parts)


def test_windows_filters_and_envelopes_are_described_once(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    answers = [
        answer["content"]["application/json"]["schema"]
        for _, path, operation in operations(described)
        for status, answer in operation["responses"].items()
        if path.startswith("/public-api/")
        and status.startswith("2")
        and "application/json" in answer.get("content", {})
    ]
    envelopes = [answer["$ref"].rpartition("/")[2] for answer in answers]

    assert {"WeeklyWindows", "RunWindow", "FilterSpec"} <= set(schemas)
    assert 1 == json.dumps(described).count('"run_start_time": {')
    for name in envelopes:
        assert {"data", "meta"} == set(schemas[name]["properties"])


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [ref for part in value.values() for ref in references(part)]
        return [ref for part in value for ref in references(part)] if isinstance(value, list) else []

    for reference in references(described):
        found = described
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]

        assert isinstance(found, dict)


def test_open_routes_ask_for_nothing(described: dict[str, Any]) -> None:
    found = {path for _, path, operation in operations(described) if not operation["security"]}

    assert {
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/docs/guide",
        "/docs/guide/{page}",
        "/api/version",
        "/api/version/check",
    } == found


def test_every_other_route_tells_of_its_refusals(described: dict[str, Any]) -> None:
    for _, path, operation in operations(described):
        if operation["security"]:
            wrong = "400" if path.startswith("/api/") else "422"
            assert {"401", "403", wrong, "429", "500", "503"} <= set(operation["responses"]), path


async def test_document_and_page_are_served_to_everybody(serve: Serve) -> None:
    client = await serve(all_routes(), role=None)
    served = await client.get("/openapi.json")
    shown = await client.get("/docs")
    home = await client.get("/", allow_redirects=False)
    text = await shown.text()

    assert (200, 200, 303, "/sign-in?next=%2F") == (served.status, shown.status, home.status, home.headers["Location"])
    assert "/public-api/backfills" in (await served.json())["paths"]
    assert "/public-api/windows/preview" in text


async def test_the_page_needs_nothing_from_outside(serve: Serve) -> None:
    client = await serve(all_routes(), role=None)
    shown = await client.get("/docs")
    text = await shown.text()

    assert "<script" not in text
    assert "src=" not in text
    assert "http://" not in text
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]


def test_every_link_on_the_page_leads_somewhere(described: dict[str, Any]) -> None:
    text = page(described)
    places = re.findall(r'id="([^"]+)"', text)

    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(places)


GUARDED = [route for route in all_routes() if route.role]


async def test_a_stranger_is_refused_everywhere(serve: Serve) -> None:
    client = await serve(all_routes(), role=None)
    for route in GUARDED:
        id_ = "7" if route.path_types.get("id") is int else str(uuid4())
        path = re.sub(r"\{\w+\}", "x", route.path.replace("{id}", id_))
        answer = await client.request(route.method, path)

        assert 401 == answer.status, (route.method, path)
