"""A daemon that answers what a test has scripted: the contract's envelopes over real HTTP, without an engine."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import web


@dataclass(frozen=True)
class Scripted:
    """One answer. `data` goes into the envelope; `raw` is sent as it is."""

    status: int = 200
    data: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    next_cursor: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hang_up: bool = False  # close the connection behind `raw`


def digdag(document: object, status: int = 200) -> Scripted:
    """An answer of the other dialect, which has no envelope."""
    return Scripted(status=status, raw=orjson.dumps(document))


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class StubDaemon:
    """`script("GET", "/public-api/…", answer, …)`: the last answer of a route is given again and again."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self._answers: dict[tuple[str, str], list[Scripted]] = {}

    def script(self, method: str, path: str, *answers: Scripted) -> None:
        self._answers[method, path] = list(answers)

    def sent(self, method: str, path: str) -> list[Received]:
        return [request for request in self.received if (request.method, request.path) == (method, path)]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        query = {name: request.query.getall(name) for name in request.query}
        body = await request.read()
        self.received.append(Received(request.method, request.rel_url.raw_path, query, request.headers.copy(), body))
        answers = self._answers.get((request.method, request.rel_url.raw_path))
        if not answers:
            return _enveloped(Scripted(404, error={"code": "not_found", "message": f"nothing at {request.path}"}))
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.raw is None:
            return _enveloped(answer)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        await response.write(answer.raw)
        if answer.hang_up and request.transport is not None:
            request.transport.close()
        return response


def _enveloped(answer: Scripted) -> web.Response:
    request_id = str(uuid4())
    meta: dict[str, Any] = {"request_id": request_id}
    if answer.error is not None:
        document = {"error": {"details": [], **answer.error}, "meta": meta}
    else:
        pagination = {"has_more": answer.next_cursor is not None, "next_cursor": answer.next_cursor}
        meta |= {"timings_ms": {"total": 0.1}, "pagination": pagination, "warnings": list(answer.warnings)}
        document = {"data": answer.data or {}, "meta": meta}
    headers = {"X-Request-Id": request_id, **answer.headers}
    body = None if answer.status == 204 else orjson.dumps(document)
    return web.Response(body=body, status=answer.status, headers=headers, content_type="application/json")


@asynccontextmanager
async def stub_daemon() -> AsyncIterator[StubDaemon]:
    """A stub that listens on a port of its own."""
    stub = StubDaemon()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield stub
    finally:
        await runner.cleanup()


def event(kind: str, id: int, backfill: Mapping[str, Any]) -> bytes:
    """One event of a stream."""
    data = orjson.dumps({"backfill": backfill}).decode()
    return f"event: {kind}\nid: {id}\ndata: {data}\n\n".encode()


def a_backfill(**changed: Any) -> dict[str, Any]:
    """A backfill as the API shows it, running, with nothing done."""
    counters = ("processed", "succeeded", "failed", "skipped", "cancelled", "in_flight", "retrying", "pending")
    return {
        "id": "6f1c1d5e-0000-4000-8000-000000000001",
        "name": "tickets",
        "status": "running",
        "status_reason": None,
        "entity_type": "ticket",
        "filter_spec": {},
        "target_workflow_id": 7,
        "target_workflow_name": "classify",
        "total_entities": 10,
        "effective_windows": {"monday": [{"run_start_time": "00:00:00", "run_end_time": "24:00:00"}]},
        "timezone": "UTC",
        "max_in_flight": 5,
        "created_at": "2027-03-01T12:00:00Z",
        "created_by": "cli",
        "started_at": "2027-03-01T12:00:01Z",
        "completed_at": None,
        "throughput_per_minute": 60.0,
        "estimated_completion_at": None,
        "error": None,
        **{f"{name}_count": 0 for name in counters},
        **changed,
    }
