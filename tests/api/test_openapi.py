"""The document, its page, and whether they tell the truth."""

import re
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from openapi_spec_validator import validate
from tests.api.conftest import Serve
from tests.api.test_health import Parts, counted
from tests.support.clock import FakeClock

from backfilld.api import health
from backfilld.api.framework.routing import Route
from backfilld.api.public import keys, windows, workflows
from backfilld.api.public.backfills import not_supported
from backfilld.api.public.backfills import routes as backfills
from backfilld.api.public.entities import routes as entities
from backfilld.api.reference.docs_page import page
from backfilld.api.reference.documents import with_documents
from backfilld.api.reference.openapi import document
from backfilld.metrics import Metrics
from backfilld.operations.backfills.check import Limits

NOBODY = cast(Any, SimpleNamespace(limits=Limits()))  # handlers are not called here


def all_routes() -> list[Route]:
    clock = FakeClock()
    return with_documents(
        [
            *backfills.routes(NOBODY),
            *workflows.routes(NOBODY),
            *entities.routes(NOBODY, clock, max_body_bytes=1 << 20),
            *windows.routes(clock),
            *keys.routes(NOBODY, clock),
            *not_supported.routes(),
            *health.routes(Parts(), health.MetricsAccess(Metrics(), counted, public=False)),
        ]
    )


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


def test_every_route_is_described(described: dict[str, Any]) -> None:
    shown = {(method, path) for method, path, _ in operations(described)}

    assert {(route.method, route.path) for route in all_routes() if not route.hidden} == shown


def test_operations_have_names_of_their_own(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]

    assert len(names) == len(set(names))


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

    assert {"/healthz", "/readyz", "/openapi.json", "/docs", "/api/version", "/api/version/check"} == found


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

    assert (200, 200, 302, "/docs") == (served.status, shown.status, home.status, home.headers["Location"])
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


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
async def test_a_stranger_is_refused_everywhere(serve: Serve, route: Route) -> None:
    client = await serve(all_routes(), role=None)
    id_ = "7" if route.path_types.get("id") is int else str(uuid4())
    path = route.path.replace("{id}", id_)
    answer = await client.request(route.method, path)

    assert 401 == answer.status
