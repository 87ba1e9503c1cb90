"""A real daemon is asked everything that its own document allows, and much that it forbids.

Whatever comes, for whatever role: never a 500, never an answer that the document does not tell of, and nothing at all
for who may not ask.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.daemon import ALL_DAY, WORKFLOW, DaemonProcess, Plan, daemon_process
from tests.support.database import scratch_folder
from tests.support.logging_target import LoggingTarget, Reply
from tests.support.project_archives import packed

from backfilld.api.framework.server import LONGEST_HEADER_BYTES, LONGEST_URL_BYTES
from backfilld.clock import SystemClock

pytestmark = pytest.mark.slow
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
RANK = {"viewer": 0, "operator": 1, "admin": 2}
EXAMPLES, EXAMPLES_OF_LATER = 20, 3
ENGINE = {"allow_concurrent_backfills_per_workflow": True}
SCHEDULED = {"schedule": {"daily>": "00:00:00"}}
NAMES: dict[str, Any] = {"name": WORKFLOW, "key": "token"}
ENTITIES = [f"T{number}" for number in range(20)]
# What ends or stops things comes last, in this order, so that the others still find something.
LAST = ("cancel", "stop-all", "start-all", "DELETE")


@schemathesis.serializer("application/gzip", "application/x-gzip")
def archive(_: Any, value: Any) -> bytes:
    """Some bytes as they are, or in a good archive, as a workflow that is none."""
    raw = value if isinstance(value, bytes) else getattr(value, "data", None) or str(value).encode("utf-8", "replace")
    return raw if len(raw) % 2 else packed({"w.dig": raw, "good.dig": "+a: {echo>: hello}\n"})


@dataclass
class Known:
    """Ids that there are, for half of the requests."""

    ended: str
    paused: str
    workflow: int
    digdag: dict[str, int]  # by the word behind /api/
    since: str  # some sessions of the schedule ago

    def values(self) -> dict[str, Any]:
        """For fields whose schema says less than what is looked at: ids of others, names of zones, a language."""
        return {
            "filter_spec": {},
            "daily_execution_windows": ALL_DAY,
            "timezone": "Europe/Berlin",
            "target_workflow_id": self.workflow,
            "schedule": None,
            "executor": {"type": "http", "url": "http://127.0.0.1:9/"},
            "workflowId": str(self.workflow),
            "projectName": "default",
            "workflowName": WORKFLOW,
            "sessionTime": "2027-03-01T00:00:00+09:00",
            "fromTime": self.since,
            "nextTime": "2027-03-01T00:00",
            "count": 2,
        }

    def ids(self, operation: APIOperation) -> list[dict[str, Any]]:
        """Sets of placeholders, or none if there is nothing to put in."""
        path = operation.path
        if "/entities/{entity_type}" in path:
            return [{"entity_type": "ticket"} | ({"id": "T1"} if "{id}" in path else {})]
        if path.startswith("/api/"):
            names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
            given = NAMES | {"id": self.digdag.get(path.split("/")[2])}
            return [{name: given[name] for name in names}] if names else []
        if path.startswith("/public-api/workflows/{id}"):
            return [{"id": self.workflow}]
        if not path.startswith("/public-api/backfills/{id}"):
            return []
        # nobody listens to the end of one that is paused
        backfills = [self.ended] if path.endswith("/events") else [self.ended, self.paused]
        entity = {"entity_id": "T1"} if "{entity_id}" in path else {}
        return [{"id": id} | entity for id in backfills]


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
async def target() -> AsyncIterator[LoggingTarget]:
    async with LoggingTarget(lambda call: Reply(status=404 if call.entity_id == "T1" else 200)) as target:
        yield target


@pytest.fixture
async def daemon(folder: Path, target: LoggingTarget, dsn: str) -> AsyncIterator[DaemonProcess]:
    async with daemon_process(folder / "daemon", Plan(target.url, dsn, engine=ENGINE, workflow=SCHEDULED)) as daemon:
        await daemon.make_key("admin")
        await daemon.start()
        await daemon.upload(ENTITIES)
        yield daemon


@pytest.fixture
async def known(daemon: DaemonProcess) -> Known:
    ended = await daemon.create()
    await daemon.ends(ended)
    paused = await daemon.create(start="when_approved")
    workflow = await daemon.workflow_id()
    since = (SystemClock().now() - timedelta(days=3)).isoformat()
    return Known(ended, paused, workflow, await _in_digdag(daemon, workflow, since), since)


async def _in_digdag(daemon: DaemonProcess, workflow: int, since: str) -> dict[str, int]:
    """The ids of one thing of each kind, once its attempt has ended."""
    headers = {"Authorization": f"TD1 {daemon.api_key}"}
    body = {"fromTime": since, "dryRun": False, "attemptName": "first", "count": 1}
    async with aiohttp.ClientSession(daemon.url, headers=headers, raise_for_status=True) as session:
        schedule = (await (await session.get("/api/schedules")).json())["schedules"][0]
        path = f"/api/schedules/{schedule['id']}/backfill"
        made = await (await session.post(path, json=body)).json()
        await daemon.ends(made["backfillId"])
    attempt = made["attempts"][0]
    return {
        "projects": int(schedule["project"]["id"]),
        "schedules": int(schedule["id"]),
        "workflows": workflow,
        "sessions": int(attempt["sessionId"]),
        "attempts": int(attempt["id"]),
        "logs": int(attempt["id"]),
    }


@pytest.mark.parametrize("role", RANK)
async def test_no_answer_lies_outside_of_the_document(daemon: DaemonProcess, known: Known, role: str) -> None:
    admin = daemon.api_key
    key = await daemon.make_key(role)
    document = (await daemon.get("/openapi.json"))[1]
    schema = schemathesis.openapi.from_dict(document)
    found: list[str] = []
    for operation in sorted((result.ok() for result in schema.get_all_operations()), key=_place):
        for example in _examples(operation, known, _asker(daemon.url, key, role)):
            found += await asyncio.to_thread(_problems, operation, example)
    daemon.api_key = admin

    assert not found, "\n\n".join(found)
    assert daemon.is_running
    assert not [line for line in daemon.events() if line.get("level") in ("error", "critical")]


def _place(operation: APIOperation) -> int:
    """Where in the order of asking."""
    name = f"{operation.method.upper()} {operation.path}"
    return max((number for number, part in enumerate(LAST, start=1) if part in name), default=0)


def _asker(url: str, key: str, role: str) -> Callable[[Case], None]:
    session = requests.Session()

    def ask(case: Case) -> None:
        # A header that `requests` itself would not send tells nothing of us.
        with suppress(requests.exceptions.InvalidHeader):
            answer = case.call(base_url=url, session=session, headers={"Authorization": f"Bearer {key}"}, timeout=30)
            wanted = case.operation.definition.raw.get("x-required-role", "viewer")
            if RANK[role] < RANK[wanted]:
                assert _is_refused(answer, key), f"{case.as_curl_command()}: {answer.status_code} {answer.text[:300]}"
            case.validate_response(answer, checks=CHECKS)

    return ask


def _is_refused(answer: requests.Response, key: str) -> bool:
    """Whether who may not ask was told so; or what is wrong with a request of which nobody could tell who sent it."""
    sent, status = answer.request, answer.status_code
    if status == 400:
        return "not a request that HTTP/1.1 allows" in answer.text
    if status == 401:
        return sent.headers.get("Authorization") != f"Bearer {key}"
    if status == 414:
        return len(f"{sent.method} {sent.path_url} HTTP/1.1") > LONGEST_URL_BYTES
    if status == 417:
        return "Expect" in sent.headers
    if status == 431:
        return any(len(f"{name}: {value!r}") > LONGEST_HEADER_BYTES for name, value in sent.headers.items())
    return status == 403


def _examples(operation: APIOperation, known: Known, ask: Callable[[Case], None]) -> Iterator[Callable[[], None]]:
    """Tests to be run: as the document says, against it, and as it says with values that there are."""
    later = operation.definition.raw["tags"] == ["Not yet"]
    bounded = settings(
        max_examples=EXAMPLES_OF_LATER if later else EXAMPLES,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    listens = operation.path.endswith("/events")

    def mended(case: Case) -> Case:
        if isinstance(case.body, dict):
            case.body = {name: known.values().get(name, value) for name, value in case.body.items()}
        return case

    def made(strategy: Any) -> Callable[[], None]:
        def test(case: Case) -> None:
            ask(case)

        return bounded(given(case=strategy)(test))

    yield made(operation.as_strategy(GenerationMode.POSITIVE))
    if not listens:
        yield made(operation.as_strategy(GenerationMode.NEGATIVE))
    if operation.body:
        yield made(operation.as_strategy(GenerationMode.POSITIVE).map(mended))
    for ids in known.ids(operation):
        yield made(operation.as_strategy(GenerationMode.POSITIVE, path_parameters=ids))


def _problems(operation: APIOperation, test: Callable[[], None]) -> list[str]:
    name = f"{operation.method.upper()} {operation.path}"
    try:
        test()
    except BaseExceptionGroup as group:
        return [f"{name}: {problem}" for problem in group.exceptions]
    except Exception as problem:
        # Some operations cannot be asked wrongly.
        return [] if type(problem).__name__ == "Unsatisfiable" else [f"{name}: {problem!r}"]
    return []
