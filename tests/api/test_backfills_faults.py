"""Every field of every body, wrong in every way: refused with its path, and nothing is stored."""

from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client, Serve
from tests.support.backfill_api import body, make_operations
from tests.support.backfills import ALWAYS, Workflow, make_backfill, make_workflow
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl

from backfilld.api.public.backfills import routes as backfills
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
NOT_TEXT: list[Any] = [1, True, [], {}, None]
NOT_OBJECT: list[Any] = [1, "x", True, [], None]
HUGE = 10**30

# field → values that it must not take, and what is at fault if it is not the field itself
WRONG: dict[str, list[Any]] = {
    "entity_type": [..., "tickets", "", "TICKET", *NOT_TEXT],
    "filter_spec": [..., {"a": None}, {"rules": []}, {"a": []}, {"combinator": "xor", "rules": [{}]}, *NOT_OBJECT],
    "daily_execution_windows": [
        ..., {}, {"funday": []}, {"monday": []}, {"monday": {}}, {"monday": [{}]}, {"monday": [1]},
        {"monday": [{"run_start_time": "9:00", "run_end_time": "10:00"}]},
        {"monday": [{"run_start_time": "09:00", "run_end_time": "09:00"}]},
        {"monday": [{"run_start_time": "09:00", "run_end_time": "25:00"}]},
        {"monday": [{"run_start_time": 9, "run_end_time": "10:00"}]},
        {"monday": [{"run_start_time": "09:00", "run_end_time": "10:00", "x": 1}]},
        *NOT_OBJECT,
    ],
    "max_in_flight": [..., 0, -1, 11, 1.5, HUGE, -HUGE, "5", True, None, [], {}],
    "target_workflow_id": [..., 0, -1, 1.5, 999_999, 2**63, HUGE, "1", True, None, [], {}],
    "timezone": ["", "Mars/Phobos", "+01:00", "../etc/passwd", "utc\u0000", "Europe/Berlin" * 9, *NOT_TEXT],
    "total_estimated": [-1, 1.5, 2**63, HUGE, "1", True, [], {}],
    "name": ["x" * 201, "a\u0000b", "\ud800", 1, True, [], {}],
    "reason": ["x" * 2001, "a\u0000b", 1, True, [], {}],
    "start": ["later", "", *NOT_TEXT],
    "entity_ids": [[1], [""], ["a\nb"], ["x" * 513], [None], [["a"]], "a", 1, True, {}],
    "order": ["random", "", *NOT_TEXT],
    "reprocess_behavior": ["all", "", *NOT_TEXT],
    "sample_size": [0, -1, 10_001, 1.5, HUGE, "1", True, [], {}],
    "max_attempts": [0, -1, 21, 1.5, HUGE, "1", True, [], {}],
    "excluded_dates": [["2027-02-30"], ["27-01-01"], ["2027-01-01T00:00:00Z"], [1], [None], "2027-01-01", 1, {}, None],
    "params": [{"a": "x" * 17_000}, [], "x", 1, True, None],
    "rehearsal": ["yes", 1],
    "recheck": ["yes", 1, [], {}],
    "starts_per_minute": [0, -1, 0.000001, HUGE, "x", "1", False, [], {}],
    "failure_policy": [
        {"enabled": 1}, {"enabled": None}, {"max_failure_ratio": 0}, {"max_failure_ratio": 1.1},
        {"max_failure_ratio": "0.5"}, {"window": 0}, {"window": 1001}, {"window": 1.5}, {"min_sample": 0},
        {"min_sample": 201}, {"window": 10, "min_sample": 11}, {"max_consecutive_failures": 0}, {"maximum": 1},
        {"max_consecutive_failures": HUGE}, 1, False, [], "off",
    ],
    "slow_down": [
        {}, {"latency_ms": 0}, {"latency_ms": -1}, {"latency_ms": HUGE}, {"latency_ms": "1"},
        {"latency_ms": 1, "of": "p91"},
        {"latency_ms": 1, "over": 0}, {"latency_ms": 1, "over": 1001}, {"latency_ms": 1, "over": 1.5},
        {"latency_ms": 1, "above": 2}, [], "x", 1, True,
    ],
    "max_credits": [0, -1, 1e16, HUGE, "x", "1", False, [], {}],
    "max_inflight": [5, None],
}  # fmt: skip


async def stored(pool: Pool) -> list[int]:
    tables = ("backfills", "backfill_progress", "audit_log", "idempotency_keys")
    return [await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608 - names from here


async def test_a_wrong_value_is_refused_with_its_path(client: Client, pool: Pool, workflow: Workflow) -> None:
    for field, value in ((field, value) for field, values in WRONG.items() for value in values):
        sent = body(workflow.workflow_id, **{field: value})
        created = await client.post(PATH, json=sent, headers={"Idempotency-Key": "k"})
        answers = [created]
        if field != "target_workflow_id" or value not in (..., None):  # a preview need not know it
            answers.append(await client.post(PATH + "/preview", json=sent))
        for answer in answers:
            error = (await answer.json())["error"]
            paths = [detail["path"] for detail in error["details"]]

            assert 422 == answer.status, (field, value, error)
            assert paths, (field, value)
            assert all(path == f"/{field}" or path.startswith(f"/{field}/") for path in paths), (field, value, error)
    assert [0, 0, 0, 0] == await stored(pool)


NO_OBJECTS = [
    b"", b"{", b"[]", b"1", b'"x"', b"null", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"a": 1e999}',
    b'{"filter_spec": ' + b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("path", ["", "/preview", "/verify"])
async def test_what_is_no_object_is_refused(client: Client, pool: Pool, path: str) -> None:
    for raw in NO_OBJECTS:
        answer = await client.post(PATH + path, data=raw, headers={"Content-Type": "application/json"})

        assert answer.status in (400, 422), raw[:50]
    assert [0, 0, 0, 0] == await stored(pool)


async def test_faults_of_types_and_of_meaning_come_in_one_answer(client: Client, pool: Pool) -> None:
    disabled = await make_workflow(pool, "old", enabled=False)
    await make_workflow(pool, "new")
    sent = {
        "entity_type": "tickte",
        "filter_spec": {"rules": [{"field": "a", "operator": "is", "value": 1}], "combinator": "and"},
        "daily_execution_windows": {"monday": [{"run_start_time": "9:00", "run_end_time": "10:00"}]},
        "max_in_flight": 99,
        "target_workflow_id": disabled.workflow_id,
        "timezone": "Europe/Berlim",
        "name": 5,
        "max_inflight": 5,
        "rehearsal": "yes",
    }
    error = (await (await client.post(PATH, json=sent)).json())["error"]
    found = {detail["path"]: detail for detail in error["details"]}

    assert {
        "/entity_type", "/filter_spec/rules/0/operator", "/daily_execution_windows/monday/0/run_start_time",
        "/max_in_flight", "/target_workflow_id", "/timezone", "/name", "/max_inflight", "/rehearsal",
    } == set(found)  # fmt: skip
    assert "Europe/Berlin" == found["/timezone"]["allowed"][0]
    assert ("workflow_disabled", "3 (new)") == (
        found["/target_workflow_id"]["code"], found["/target_workflow_id"]["message"][-7:],
    )  # fmt: skip
    assert f"PATCH /public-api/workflows/{disabled.workflow_id} with" in found["/target_workflow_id"]["message"]
    assert "max_in_flight" == found["/max_inflight"]["allowed"][0]


BETWEEN_FIELDS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"entity_type": "none"}, "/entity_type", "entity_type_not_enumerable"),
    ({"entity_type": "none", "entity_ids": None}, "/entity_type", "entity_type_not_enumerable"),
    ({"entity_type": "none", "entity_ids": ["a"], "filter_spec": {"a": 1}}, "/filter_spec",
     "filter_without_attributes"),
    ({"filter_spec": {"rules": [{"field": "d", "operator": "<", "value": "2027-02-30"}], "combinator": "and"}},
     "/filter_spec/rules/0/value", None),
    ({"target_workflow_id": 77}, "/target_workflow_id", "workflow_not_found"),
]  # fmt: skip


async def test_a_rule_between_fields_is_named(client: Client, workflow: Workflow) -> None:
    for fields, path, code in BETWEEN_FIELDS:
        answer = await client.post(PATH, json=body(workflow.workflow_id, **fields))
        details = (await answer.json())["error"]["details"]

        assert (422, path) == (answer.status, details[0]["path"]), fields
        assert code in (None, details[0]["code"]), fields


async def test_an_empty_filter_can_be_forbidden(pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve) -> None:
    operations = make_operations(pool, clock, FakeControl(), require_explicit_match_all=True)
    client = await serve(backfills.routes(operations))
    refused = await client.post(PATH, json=body(workflow.workflow_id))
    accepted = await client.post(PATH, json=body(workflow.workflow_id, filter_spec={"match_all": True}))

    assert (422, 201) == (refused.status, accepted.status)


async def test_the_bound_of_entities_in_flight_comes_from_the_configuration(
    pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve
) -> None:
    client = await serve(backfills.routes(make_operations(pool, clock, FakeControl(), max_in_flight=20)))
    accepted = await client.post(PATH, json=body(workflow.workflow_id, max_in_flight=20))
    refused = await client.post(PATH, json=body(workflow.workflow_id, max_in_flight=21))

    assert (201, 422) == (accepted.status, refused.status)


VERIFY = {"entity_type": "ticket", "filter_spec": {}}


NOT_VERIFIED: list[tuple[dict[str, Any], str]] = [
    ({"entity_type": "x"}, "/entity_type"), ({"entity_type": "none"}, "/entity_type"),
    ({"filter_spec": 1}, "/filter_spec"),
    ({"timezone": "x"}, "/timezone"), ({"timezone": None}, "/timezone"), ({"x": 1}, "/x"),
]  # fmt: skip


async def test_what_is_verified_is_checked(client: Client) -> None:
    for fields, path in NOT_VERIFIED:
        answer = await client.post(PATH + "/verify", json=VERIFY | fields)

        assert 422 == answer.status, fields
        assert path == (await answer.json())["error"]["details"][0]["path"]


NO_ACTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("pause", {"reason": 1}, "/reason"), ("pause", {"reason": "x" * 2001}, "/reason"), ("pause", {"x": 1}, "/x"),
    ("pause", {"in_flight": "drain"}, "/in_flight"), ("resume", {"reasn": "x"}, "/reasn"),
    ("cancel", {"in_flight": "kill"}, "/in_flight"), ("cancel", {"in_flight": None}, "/in_flight"),
    ("cancel", {"reason": []}, "/reason"),
    ("rerun-failed", {"entity_ids": []}, "/entity_ids"), ("rerun-failed", {"entity_ids": [1]}, "/entity_ids/0"),
    ("rerun-failed", {"entity_ids": "a"}, "/entity_ids"), ("rerun-failed", {"error_class": ""}, "/error_class"),
    ("rerun-failed", {"error_class": 1}, "/error_class"), ("rerun-failed", {"x": 1}, "/x"),
    ("rerun-failed", {"reason": "x" * 2001}, "/reason"),
]  # fmt: skip


async def test_actions_check_what_they_are_sent(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    for action, sent, path in NO_ACTIONS:
        answer = await client.post(f"{PATH}/{backfill.id}/{action}", json=sent)

        assert 422 == answer.status, (action, sent)
        assert [path] == [detail["path"] for detail in (await answer.json())["error"]["details"]]
    assert ("planning", 1) == tuple(await pool.fetchrow("SELECT status, version FROM backfills") or ())
    assert 0 == await pool.fetchval("SELECT count(*) FROM audit_log")


WRONG_QUERIES = {
    "status=done": "status", "status=paused&status=x": "status", "kind=x": "kind", "entity_type=x": "entity_type",
    "target_workflow_id=x": "target_workflow_id", "target_workflow_id=0": "target_workflow_id",
    f"target_workflow_id={2**63}": "target_workflow_id", "created_after=2027-01-01": "created_after",
    "created_before=yesterday": "created_before", "page_size=0": "page_size", "page_size=201": "page_size",
    "page_size=x": "page_size", "cursor=x": "cursor", "cursor=WyJhIl0": "cursor",
    "kind=entities&kind=schedule": "kind", "stauts=paused": "stauts", "created_by=%00": "created_by",
}  # fmt: skip


async def test_a_wrong_query_of_the_list_is_refused(client: Client) -> None:
    for query, name in WRONG_QUERIES.items():
        answer = await client.get(f"{PATH}?{query}")

        assert 422 == answer.status, query
        assert f"/query/{name}" == (await answer.json())["error"]["details"][0]["path"]


async def test_a_wrong_query_of_the_ledger_is_refused(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    for query in ("status=done", "page_size=0", "cursor=x", "x=1", "error_class=%00"):
        answer = await client.get(f"{PATH}/{backfill.id}/entities?{query}")

        assert 422 == answer.status, query


ADMIN = {"Authorization": "Bearer admin"}
ROUTES = [
    ("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel"),
    ("POST", "/rerun-failed"), ("GET", "/entities"), ("GET", "/entities/a"), ("GET", "/events"),
]  # fmt: skip


async def test_what_does_not_exist_is_not_found(client: Client) -> None:
    for id in ("x", "1", "00000000-0000-0000-0000-000000000000", "%00", "{id}"):
        for method, rest in ROUTES:
            answer = await client.request(method, f"{PATH}/{id}{rest}", headers=ADMIN)

            assert 404 == answer.status, (id, method, rest)
            assert "not_found" == (await answer.json())["error"]["code"]


async def test_a_viewer_changes_nothing(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    for method, rest in ROUTES:
        if method != "GET":
            headers = {"Authorization": "Bearer viewer"}
            answer = await client.request(method, f"{PATH}/{backfill.id}{rest}", headers=headers)

            assert 403 == answer.status, rest
    assert 1 == (await pool.fetchval("SELECT version FROM backfills"))


def test_the_table_names_every_field() -> None:
    fields = set(backfills.CreateBackfill.model_fields)

    assert fields | {"max_inflight"} == set(WRONG)
    assert 7 == len(ALWAYS)
