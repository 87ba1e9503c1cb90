"""Edge values of every type in every field of every route of both dialects: no 500, and every list answers afterwards.

Which routes and fields there are is read off the document that the daemon itself serves, so that a new one cannot be
forgotten. A field is sent beside others that are fine, so that it is what the answer is about.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp
import pytest
from tests.contract.edge_values import CURSORS, HEADERS, JSON_TEXTS, PARTS
from tests.support.asker import GZIP, Asker, asker
from tests.support.daemon import ALL_DAY
from tests.support.database import Databases
from tests.support.project_archives import packed
from yarl import URL

MARK = "\ue000here\ue000"
IN_ALL = 10_000
DEEPEST = 6
JSON, LINES = "application/json", "application/x-ndjson"
# What ends or stops things comes last, in this order, so that the others still find something.
LAST = ("kill", "disable", "cancel", "stop-all", "start-all", "DELETE")
# What the document calls an object of anything has parts as well.
RULE = {"combinator": "and", "rules": [{"field": "status", "operator": "=", "value": "open"}]}
INSIDE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "filter_spec": (("status",), ("rules", "[]", "field"), ("rules", "[]", "operator"), ("rules", "[]", "value"),
                    ("rules", "[]", "case_sensitive"), ("combinator",), ("not",), ("conditions",), ("match_all",)),
    "params": (("x",), ("last_executed_session_time",)),
    "attributes": (("status",),),
    "schedule": (("daily>",), ("cron>",), ("minutes_interval>",), ("start",), ("skip_on_overtime",)),
    "headers": (("X-A",),),
}  # fmt: skip
EXECUTOR = {"type": "http", "url": "http://127.0.0.1:9/"}


@dataclass(frozen=True)
class Field:
    """A field of a route: `where` is path, query, header, or the type of a body, and `way` leads to it there."""

    method: str
    path: str
    where: str
    way: tuple[str, ...]

    @property
    def edges(self) -> tuple[str, ...]:
        if self.where == "header":
            return HEADERS
        if self.where in ("path", "query"):
            return CURSORS + PARTS if self.way == ("cursor",) else PARTS
        return JSON_TEXTS

    @property
    def place(self) -> int:
        """Where in the order of asking."""
        name = f"{self.method} {self.path}"
        return max((number for number, part in enumerate(LAST, start=1) if part in name), default=0)


def fields_of(document: Mapping[str, Any]) -> Iterator[Field]:
    """Every field of every route."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                yield Field(method.upper(), path, parameter["in"], (parameter["name"],))
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                if kind in (JSON, LINES):
                    yield Field(method.upper(), path, kind, ())
                    ways = dict.fromkeys(_ways(content.get("schema", {}), document))
                    yield from (Field(method.upper(), path, kind, way) for way in ways)


def _ways(schema: Mapping[str, Any], document: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, ...]]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for inner in (*schema.get("anyOf", ()), *schema.get("allOf", ()), *schema.get("oneOf", ())):
        yield from _ways(inner, document, depth)
    if depth == DEEPEST:
        return
    if isinstance(schema.get("items"), dict):
        yield ("[]",)
        yield from (("[]", *way) for way in _ways(schema["items"], document, depth + 1))
    for name, inner in schema.get("properties", {}).items():
        yield (name,)
        yield from ((name, *way) for way in INSIDE.get(name, ()))
        yield from ((name, *way) for way in _ways(inner, document, depth + 1))


class Fuzz:
    """Sends edges, and remembers what came of them."""

    def __init__(self, ask: Asker, session: aiohttp.ClientSession) -> None:
        self._ask = ask
        self._session = session
        self._number = 0
        self.statuses: Counter[int] = Counter()
        self.broken: list[str] = []

    async def send(self, field: Field, edge: str) -> None:
        """One request with that field as `edge`."""
        self._number += 1
        url, headers, body = self._request(field, edge)
        sent = f"{field.method} {url} {field.where} {'/'.join(field.way)}: {edge[:200]!r}"
        try:
            async with self._session.request(field.method, url, headers=headers, data=body) as answer:
                listens = answer.content_type == "text/event-stream"
                text = "" if listens else (await answer.read()).decode(errors="replace")[:300]
        except (aiohttp.ClientError, TimeoutError) as problem:
            self.broken.append(f"{sent}: {problem!r}")
            return
        self.statuses[answer.status] += 1
        is_later = answer.status == 501 and "Not yet" in str(self._operation(field).get("tags"))
        if answer.status >= 500 and not is_later:
            self.broken.append(f"{sent}: {answer.status} {text}")

    def _operation(self, field: Field) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask.document["paths"][field.path][field.method.lower()]
        return found

    def _request(self, field: Field, edge: str) -> tuple[URL, dict[str, str], bytes | None]:
        parts = field.path.split("/")
        filled = self._ask.filled(field.path).split("/")
        if field.where == "path":
            wanted = f"{{{field.way[0]}}}"
            filled = [edge if part == wanted else given for part, given in zip(parts, filled, strict=True)]
        query = self._query(field) | ({field.way[0]: edge} if field.where == "query" else {})
        url = "/".join(filled) + "?" + "&".join(f"{name}={value}" for name, value in query.items())
        headers = {field.way[0]: edge} if field.where == "header" else {}
        if field.path == "/api/projects" and field.method == "PUT":
            body: bytes | None = packed({"w.dig": "+t: {echo>: x}\n"})
            headers |= GZIP
        else:
            body = self._body(field, edge)
            headers |= {} if body is None else {"Content-Type": field.where if "/" in field.where else JSON}
        return URL(str(self._session._base_url).rstrip("/") + url, encoded=True), headers, body

    def _query(self, field: Field) -> dict[str, str]:
        """What a route insists on."""
        parameters = self._operation(field).get("parameters", ())
        needed = [one["name"] for one in parameters if one["in"] == "query" and one.get("required")]
        known = {"project": "fuzz", "revision": "r", "session_time": "2027-03-01T00:00:00Z"}
        return {name: known.get(name, "1") for name in needed}

    def _body(self, field: Field, edge: str) -> bytes | None:
        if "requestBody" not in self._operation(field):
            return None
        base: Any = self._base(field)
        if "/" not in field.where:
            return json.dumps(base).encode()
        if not field.way:
            return edge.encode("utf-8", "surrogatepass")
        is_list = field.way[0] == "[]"
        whole = _with(base[0] if isinstance(base, list) else base, field.way[is_list:])
        document = json.dumps([whole] if is_list or isinstance(base, list) else whole, ensure_ascii=False)
        return document.replace(json.dumps(MARK, ensure_ascii=False), edge).encode("utf-8", "surrogatepass")

    def _base(self, field: Field) -> Any:
        """A body that is fine, and new each time where names are taken."""
        path, workflow = field.path, int(self._ask.workflows[0])
        wanted = {"entity_type": "ticket", "filter_spec": RULE, "daily_execution_windows": ALL_DAY, "max_in_flight": 1,
                  "target_workflow_id": workflow, "start": "when_approved"}  # fmt: skip
        if path in ("/public-api/backfills", "/public-api/backfills/preview"):
            return wanted
        if path.endswith("/verify"):
            return {"entity_type": "ticket", "filter_spec": RULE}
        if path == "/public-api/workflows":
            return {"name": f"w{self._number}", "executor": EXECUTOR, "schedule": {"daily>": "07:00:00"}}
        if path.endswith("/windows/preview"):
            return {"daily_execution_windows": ALL_DAY}
        if path.endswith("/schedules/preview"):
            return {"schedule": {"daily>": "07:00:00"}, "after": "2027-01-01T00:00:00Z", "count": 3}
        if path.startswith("/public-api/entities"):
            return [{"id": f"E{self._number}", "attributes": {"status": "open"}}]
        if path == "/api/attempts":
            session = {"workflowId": workflow, "sessionTime": "2027-03-01T00:00:00Z"}
            return session | {"retryAttemptName": f"n{self._number}", "params": {}}
        if path.endswith("/backfill"):
            return {"dryRun": True, "attemptName": "x", "fromTime": "2020-01-01T00:00:00Z", "count": 1}
        if path.endswith("/skip"):
            return {"dryRun": True, "count": 1, "fromTime": "2020-01-01T00:00:00Z"}
        if path.endswith("/override"):
            return {"until": "2027-03-01T00:00:00Z", "reason": "x"}
        return {}


def _with(base: Any, way: tuple[str, ...]) -> Any:
    """`base` with MARK where the way leads to."""
    if not way:
        return MARK
    if way[0] == "[]":
        return [_with(base[0] if isinstance(base, list) and base else {}, way[1:])]
    given = base if isinstance(base, dict) else {}
    return given | {way[0]: _with(given.get(way[0]), way[1:])}


@pytest.fixture
async def ask(databases: Databases) -> AsyncIterator[Asker]:
    engine = {"allow_concurrent_backfills_per_workflow": True}
    async with databases.database() as dsn, asker(dsn, **engine) as found:
        yield found


def samples(fields: list[Field], in_all: int, seed: int) -> list[tuple[Field, str]]:
    """Each field at least once, and `in_all` if there are so many; another seed finds others."""
    dice = Random(seed)  # nothing secret
    every = [(field, edge) for field in fields for edge in field.edges]
    found = [(field, dice.choice(field.edges)) for field in fields]
    found += dice.sample(every, min(len(every), max(0, in_all - len(found))))
    return sorted(found, key=lambda one: one[0].place)


async def no_edge_breaks_anything(ask: Asker, in_all: int, seed: int) -> Fuzz:
    fields = list(fields_of(ask.document))
    headers = {"Authorization": f"Bearer {ask.daemon.api_key}"}
    patience = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(ask.daemon.url, headers=headers, timeout=patience) as session:
        fuzz = Fuzz(ask, session)
        for field, edge in samples(fields, in_all, seed):
            await fuzz.send(field, edge)

    assert [] == fuzz.broken[:20], f"{len(fuzz.broken)} in all, of {fuzz.statuses}"
    await ask.lists()
    assert ask.daemon.is_running
    assert [] == [line for line in ask.daemon.events() if line.get("level") in ("error", "critical")]
    return fuzz


async def test_every_field_takes_or_refuses_an_edge_value(ask: Asker) -> None:
    fuzz = await no_edge_breaks_anything(ask, 0, seed=1)

    assert {200, 201, 400, 404, 409, 422} <= set(fuzz.statuses)


@pytest.mark.slow
async def test_ten_thousand_edge_values_break_nothing(ask: Asker) -> None:
    fuzz = await no_edge_breaks_anything(ask, IN_ALL, seed=2)

    assert IN_ALL <= sum(fuzz.statuses.values())
    assert 500 < fuzz.statuses[200] + fuzz.statuses[201]
