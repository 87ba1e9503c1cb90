"""A daemon that answers each route with the examples of its own OpenAPI document: each command has an answer."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from aiohttp import web
from tests.support.all_routes import all_routes
from tests.support.stub_daemon import StubDaemon

from backfilld.api.reference.openapi import document

LONG = (
    "which is said in so many words that no line of a terminal has room for all of it: 1-2-3-4-5-6-7-8-9-10-11-12-13-14"
)
STRETCHED = {"name", "message", "error", "last_error", "reason", "told", "problem", "says", "title"}
MANY = 3
# What is served only where an engine is configured.
MIRROR = {
    "id": 7, "schedule_id": 42, "engine": "tw", "project": "reports", "workflow": "daily", "problem": f"gone, {LONG}",
    "read_at": "2027-03-14T07:00:00Z",
}  # fmt: skip
BESIDES = {
    ("GET", "/public-api/mirrors"): {"data": {"mirrors": [MIRROR] * MANY}, "meta": {}},
    ("POST", "/public-api/mirrors"): {"data": {"mirror": MIRROR}, "meta": {}},
}


@cache
def _document() -> dict[str, Any]:
    return document(all_routes())


def example(schema: Mapping[str, Any], name: str = "") -> Any:
    """A value of it, by its examples; texts for people are long."""
    if "$ref" in schema:
        return example(_document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], name)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema and "examples" not in schema:
            return example(schema[several][0], name)
    if schema.get("type") == "object" and "properties" in schema:
        return {key: example(one, key) for key, one in schema["properties"].items()}
    if schema.get("type") == "array" and "$ref" in str(schema.get("items")):
        return [example(schema["items"]) for _ in range(MANY)]
    value = next(iter(schema.get("examples", ())), schema.get("example", schema.get("const", schema.get("default"))))
    if value is None and "enum" in schema:
        value = schema["enum"][0]
    if isinstance(value, str) and name in STRETCHED and "enum" not in schema:
        return f"{value} {LONG}"
    return value


def answer_to(method: str, path: str) -> Any:
    """The document that a route answers; None if there is no such route, or it answers without one."""
    if found := BESIDES.get((method, path)):
        return found
    for template, operations in _document()["paths"].items():
        pattern = re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            responses = operations[method.lower()]["responses"]
            success = next(one for code, one in responses.items() if code.startswith("2"))
            content = success.get("content", {}).get("application/json")
            answer = None if content is None else example(content["schema"])
            if isinstance(answer, dict) and "meta" in answer:
                answer["meta"]["pagination"] = {"has_more": False, "next_cursor": None}
            return answer
    return None


class ExemplaryDaemon(StubDaemon):
    """Answers whatever is asked."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.json_response(answer_to(request.method, request.path) or {"data": {}, "meta": {}})


@asynccontextmanager
async def exemplary_daemon() -> AsyncIterator[ExemplaryDaemon]:
    daemon = ExemplaryDaemon()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", daemon.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        daemon.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield daemon
    finally:
        await runner.cleanup()
