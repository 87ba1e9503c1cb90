"""What an outside program may check of a running daemon: shapes, codes, headers, and counts that always add up."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from tests.support.daemon import ALL_DAY, ENDED, DaemonProcess, Plan, daemon_process
from tests.support.database import Databases, scratch_folder
from tests.support.logging_target import Call, LoggingTarget, Reply

NOTHING = "/public-api/backfills/6f1c1d5e-0000-4000-8000-000000000001"
ENTITIES = [f"T{number:03}" for number in range(100)]
JSON = {"Content-Type": "application/json"}
ANY: Any = object()


def answer(call: Call) -> Reply:
    """Some fail, some fail once, some are slow."""
    number = int(call.entity_id[1:])
    if number % 10 == 3:
        return Reply(status=422)
    if number % 10 == 4 and call.attempt == 1:
        return Reply(status=500)
    return Reply(seconds=0.005)


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Any
    body: Any

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def faults(self) -> list[tuple[str, str]]:
        return [(fault["path"], fault["code"]) for fault in self.body["error"]["details"]]


class Api:
    """The daemon as three callers see it; every answer is held against the envelope."""

    def __init__(self, daemon: DaemonProcess, keys: dict[str, str], session: aiohttp.ClientSession) -> None:
        self.daemon = daemon
        self._keys = keys
        self._session = session

    async def __call__(self, method: str, path: str, body: Any = None, *, role: str = "admin", **more: Any) -> Answered:
        headers = {"Authorization": f"Bearer {self._keys[role]}"} if role else {}
        sent: dict[str, Any] = (
            {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        )
        headers |= more.get("headers", {})
        async with self._session.request(method, self.daemon.url + path, headers=headers, **sent) as got:
            text = await got.text()
            answered = Answered(got.status, got.headers, json.loads(text) if text else None)
        self._hold(answered)
        return answered

    def _hold(self, answered: Answered) -> None:
        UUID(answered.headers["X-Request-Id"])
        if answered.status == 204:
            assert answered.body is None
            return
        meta = answered.body["meta"]
        assert answered.headers["X-Request-Id"] == meta["request_id"]
        if answered.status < 400:
            assert {"data", "meta"} == set(answered.body)
            more = {"counts"} if "backfills" in answered.body["data"] else set()  # the list's, by group
            assert {"request_id", "timings_ms", "pagination", "warnings"} | more == set(meta)
        else:
            assert {"error", "meta"} == set(answered.body)
            assert {"code", "message", "details"} <= set(answered.body["error"])

    async def wanted(self, **fields: Any) -> dict[str, Any]:
        return {
            "entity_type": "ticket",
            "filter_spec": {},
            "daily_execution_windows": ALL_DAY,
            "timezone": "UTC",
            "max_in_flight": 10,
            "target_workflow_id": await self.daemon.workflow_id(),
        } | fields

    async def create(self, **fields: Any) -> str:
        created = await self("POST", "/public-api/backfills", await self.wanted(**fields))
        assert 201 == created.status, created.body
        return str(created.data["backfill"]["id"])

    async def ends(self, id: str) -> list[dict[str, Any]]:
        """Every state in which it was seen, up to its end."""
        seen = []
        async with asyncio.timeout(60):
            while not seen or seen[-1]["status"] not in ENDED:
                seen.append((await self("GET", f"/public-api/backfills/{id}")).data["backfill"])
        return seen


@pytest.fixture(scope="module")
async def api(databases: Databases) -> AsyncIterator[Api]:
    with scratch_folder() as folder:
        async with databases.database() as dsn, LoggingTarget(answer) as target, aiohttp.ClientSession() as session:
            plan = Plan(target.url, dsn, engine={"allow_concurrent_backfills_per_workflow": True})
            async with daemon_process(folder / "daemon", plan) as daemon:
                keys = {role: await daemon.make_key(role) for role in ("viewer", "operator", "admin")}
                await daemon.start()
                await daemon.upload(ENTITIES)
                yield Api(daemon, keys, session)


@pytest.fixture(scope="module")
async def run(api: Api) -> list[dict[str, Any]]:
    """A backfill over all entities, as it was seen from creation to end."""
    never_stops = {"enabled": False}
    return await api.ends(await api.create(reprocess_behavior="completed", failure_policy=never_stops))


REFUSED = {
    "a stranger": ("", "GET", "/public-api/backfills", None, {}, 401, "unauthenticated", []),
    "a key that is none": ("", "GET", "/public-api/backfills", None, {"Authorization": "Bearer x"}, 401, ANY, []),
    "a role that is too small": ("viewer", "POST", NOTHING + "/pause", None, {}, 403, "forbidden", []),
    "and is told so before all else": ("viewer", "POST", "/public-api/workflows", b"{", JSON, 403, "forbidden", []),
    "a key for a key": ("admin", "POST", "/public-api/api-keys", b"{}", JSON, 403, "keys_cannot_make_keys", []),
    "what there is not": ("viewer", "GET", NOTHING, None, {}, 404, "not_found", []),
    "an id that is none": ("viewer", "GET", "/public-api/backfills/7", None, {}, 404, "not_found", []),
    "a path that is none": ("viewer", "GET", "/public-api/backfils", None, {}, 404, "not_found", []),
    "another method": ("viewer", "PUT", "/public-api/backfills", None, {}, 405, "method_not_allowed", []),
    "half a document": ("operator", "POST", "/public-api/backfills", b'{"a"', JSON, 400, "unreadable", []),
    "a key twice": ("operator", "POST", "/public-api/backfills", b'{"a":1,"a":2}', JSON, 400, "duplicate_key", []),
    "another kind of document": ("operator", "POST", "/public-api/backfills", b"a=1", {}, 415, ANY, []),
    "too much": ("operator", "POST", "/public-api/backfills", b" " * (9 << 20), JSON, 413, "too_large", []),
    "a list for an object": ("operator", "POST", "/public-api/backfills", b"[]", JSON, 422, ANY, [""]),
    "an unknown field": ("operator", "POST", NOTHING + "/pause", {"reasn": ""}, {}, 422, ANY, ["/reasn"]),
    "unknown and wrong parameters": (
        "viewer", "GET", "/public-api/backfills?page_size=201&cursor=x&statuss=1", None, {}, 422, ANY,
        ["/query/page_size", "/query/cursor", "/query/statuss"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("role", "method", "path", "body", "headers", "status", "code", "paths"), REFUSED.values(), ids=REFUSED.keys()
)
async def test_what_is_refused_is_refused_in_one_shape(
    api: Api, role: str, method: str, path: str, body: Any, headers: Any, status: int, code: Any, paths: list[str]
) -> None:
    answered = await api(method, path, body, role=role, headers=headers)

    assert status == answered.status
    assert code in (ANY, answered.body["error"]["code"])
    assert paths == [path for path, _ in answered.faults]
    assert (status == 401) == ("WWW-Authenticate" in answered.headers)
    assert (status == 405) == ("Allow" in answered.headers)


async def test_every_answer_to_a_caller_says_how_often_he_may_ask(api: Api) -> None:
    headers = (await api("GET", "/public-api/backfills", role="viewer")).headers

    assert [True, True, True] == [headers[f"X-RateLimit-{name}"].isdigit() for name in ("Limit", "Remaining", "Reset")]


async def test_all_faults_of_a_wish_are_told_at_once_and_nothing_is_stored(api: Api) -> None:
    wrong = await api.wanted(
        entity_type="tickets", filter_spec={"a": {}}, daily_execution_windows={"frday": []}, max_in_flight=0,
        target_workflow_id=999_999, timezone="Europe/Berln", max_inflight=3, excluded_dates=["x"], order="up",
    )  # fmt: skip
    before = await api("GET", "/public-api/backfills")
    answered = await api("POST", "/public-api/backfills", wrong, headers={"Idempotency-Key": "faulty"})
    after = await api("GET", "/public-api/backfills")

    assert 422 == answered.status
    assert {
        "/entity_type", "/filter_spec/a", "/daily_execution_windows/frday", "/max_in_flight", "/target_workflow_id",
        "/timezone", "/max_inflight", "/excluded_dates/0", "/order",
    } <= {path for path, _ in answered.faults}  # fmt: skip
    assert before.data == after.data


async def test_a_rehearsal_needs_a_target_that_obeys_it(api: Api) -> None:
    answered = await api("POST", "/public-api/backfills", await api.wanted(rehearsal=True))

    assert [("/rehearsal", "rehearsal_not_supported")] == answered.faults


async def test_the_counts_add_up_whenever_one_looks(run: list[dict[str, Any]]) -> None:
    for seen in run:
        done = seen["succeeded_count"] + seen["failed_count"] + seen["skipped_count"]
        going = seen["in_flight_count"] + seen["retrying_count"] + seen["pending_count"]

        assert done == seen["processed_count"]
        assert seen["total_entities"] in (None, done + seen["cancelled_count"] + going)
        assert seen["in_flight_count"] <= seen["max_in_flight"]
    assert [one["processed_count"] for one in run] == sorted(one["processed_count"] for one in run)


async def test_the_end_is_exact(run: list[dict[str, Any]]) -> None:
    end = run[-1]

    assert ("completed_with_failures", None) == (end["status"], end["status_reason"])
    assert (100, 90, 10) == (end["total_entities"], end["succeeded_count"], end["failed_count"])
    assert end["created_at"] <= end["started_at"] <= end["completed_at"]


async def test_the_etag_is_the_version(api: Api, run: list[dict[str, Any]]) -> None:
    answered = await api("GET", f"/public-api/backfills/{run[-1]['id']}")

    assert f'"{answered.data["backfill"]["version"]}"' == answered.headers["ETag"]


async def test_the_ledger_has_every_entity_once_in_the_order_of_the_plan(api: Api, run: list[dict[str, Any]]) -> None:
    path, cursor, entries = f"/public-api/backfills/{run[-1]['id']}/entities?page_size=33", "", []
    while cursor is not None:
        page = await api("GET", f"{path}&cursor={cursor}" if cursor else path, role="viewer")
        entries += page.data["entities"]
        cursor = page.body["meta"]["pagination"]["next_cursor"]

    assert list(range(100)) == [entry["position"] for entry in entries]
    assert set(ENTITIES) == {entry["entity_id"] for entry in entries}
    assert {"succeeded": 90, "failed": 10} == Counter(entry["status"] for entry in entries)
    assert {2: 10, 1: 90} == Counter(entry["attempts"] for entry in entries)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=failed", 10),
        ("status=failed&error_class=http_422", 10),
        ("error_class=http_500", 0),
        ("status=pending&status=in_flight&status=retrying", 0),
        ("entity_id=T003", 1),
        ("entity_id=T003&status=succeeded", 0),
    ],
)
async def test_the_ledger_can_be_narrowed(api: Api, run: list[dict[str, Any]], query: str, count: int) -> None:
    answered = await api("GET", f"/public-api/backfills/{run[-1]['id']}/entities?page_size=200&{query}")

    assert count == len(answered.data["entities"])


async def test_an_entity_comes_with_every_try(api: Api, run: list[dict[str, Any]]) -> None:
    entity = (await api("GET", f"/public-api/backfills/{run[-1]['id']}/entities/T004")).data["entity"]

    assert [(1, "http_500", 500), (2, None, 200)] == [
        (one["attempt"], one["error_class"], one["http_status"]) for one in entity["tries"]
    ]


async def test_the_stream_of_an_ended_backfill_is_its_end(api: Api, run: list[dict[str, Any]]) -> None:
    headers = {"Authorization": f"Bearer {api.daemon.api_key}"}
    path = f"{api.daemon.url}/public-api/backfills/{run[-1]['id']}/events"
    async with aiohttp.ClientSession() as session, session.get(path, headers=headers) as stream:
        lines = (await stream.text()).splitlines()

    assert stream.content_type == "text/event-stream"
    assert ["event: end"] == [line for line in lines if line.startswith("event:")]
    assert json.loads(next(line[5:] for line in lines if line.startswith("data:")))["backfill"] == run[-1]


@pytest.mark.parametrize(("signal", "status"), [("pause", 409), ("resume", 409), ("cancel", 409)])
async def test_what_has_ended_cannot_be_steered(api: Api, run: list[dict[str, Any]], signal: str, status: int) -> None:
    answered = await api("POST", f"/public-api/backfills/{run[-1]['id']}/{signal}")

    assert (status, "illegal_transition") == (answered.status, answered.body["error"]["code"])
    assert "completed_with_failures" == answered.body["error"]["status"]


async def test_what_failed_is_run_again_and_nothing_else(api: Api, run: list[dict[str, Any]]) -> None:
    again = await api("POST", f"/public-api/backfills/{run[-1]['id']}/rerun-failed")
    child = again.data["backfill"]
    end = (await api.ends(child["id"]))[-1]

    assert (201, f"/public-api/backfills/{child['id']}") == (again.status, again.headers["Location"])
    assert run[-1]["id"] == child["parent_backfill_run_id"]
    assert (10, 10) == (end["total_entities"], end["failed_count"])


async def test_a_repeat_under_its_key_is_answered_as_the_first(api: Api) -> None:
    body, headers = await api.wanted(start="when_approved"), {"Idempotency-Key": str(uuid4())}
    first = await api("POST", "/public-api/backfills", body, headers=headers)
    second = await api("POST", "/public-api/backfills", body, headers=headers)
    other = await api("POST", "/public-api/backfills", body | {"name": "x"}, headers=headers)

    assert (201, None) == (first.status, first.headers.get("Idempotent-Replayed"))
    assert (201, "true") == (second.status, second.headers.get("Idempotent-Replayed"))
    assert (first.data, first.headers["Location"]) == (second.data, second.headers["Location"])
    assert (409, "idempotency_key_reused") == (other.status, other.body["error"]["code"])


async def test_pages_of_a_list_stay_as_they_are_while_it_grows(api: Api) -> None:
    old = [await api.create(name="page", start="when_approved") for _ in range(4)]
    seen: list[str] = []
    path = "/public-api/backfills?page_size=2"
    page = await api("GET", path)
    seen += [one["id"] for one in page.data["backfills"]]
    await api.create(name="page", start="when_approved")
    following = page.body["meta"]["pagination"]["next_cursor"]
    page = await api("GET", f"{path}&cursor={following}")
    seen += [one["id"] for one in page.data["backfills"]]

    assert old[::-1] == seen


# Earlier outcomes: T003 failed, T001 succeeded, T999 never ran.
LEFT_OUT = {
    "none": {"T001": "already_run", "T003": "already_run", "T999": None},
    "failed": {"T001": "already_succeeded", "T003": None, "T999": None},
    "completed": {"T001": None, "T003": None, "T999": None},
}


@pytest.mark.parametrize(("behavior", "expected"), LEFT_OUT.items())
async def test_who_ran_before_is_left_out_as_asked_for(
    api: Api, run: list[dict[str, Any]], behavior: str, expected: dict[str, str | None]
) -> None:
    await api("PUT", "/public-api/entities/ticket", [{"id": "T999", "attributes": {}}])
    asked = {"entity_ids": list(expected), "reprocess_behavior": behavior}
    preview = await api("POST", "/public-api/backfills/preview", await api.wanted(**asked))
    id = await api.create(**asked, start="when_approved")
    async with asyncio.timeout(20):
        while (await api("GET", f"/public-api/backfills/{id}")).data["backfill"]["total_entities"] is None:
            pass
    ledger = (await api("GET", f"/public-api/backfills/{id}/entities")).data["entities"]

    assert expected == {entry["entity_id"]: entry["skip_reason"] for entry in ledger}
    assert preview.data["skipped"] == Counter(reason for reason in expected.values() if reason)
