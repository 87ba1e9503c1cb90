"""Once more for those that failed."""

import asyncio
import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfills import Workflow, make_backfill, new_backfill, put_into
from tests.support.clock import NOON
from tests.support.ledgers import make_ledger
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.domain.errors import NotFound
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.ids import EndedIn
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
ENTRIES = {"c": "failed:timeout", "a": "failed:http_404", "b": "succeeded", "d": "failed:timeout"}


@pytest.fixture
async def parent(pool: Pool, workflow: Workflow) -> Backfill:
    rules = {"combinator": "and", "not": False, "rules": [{"field": "x", "operator": "=", "value": 1}]}
    backfill = await make_backfill(
        pool, workflow, filter_spec={"x": 1}, filter_resolved=rules, timezone="Asia/Tokyo", max_in_flight=3,
        params={"p": 1}, name="night", sample_size=5, start="when_approved",
    )  # fmt: skip
    await make_ledger(pool, backfill, ENTRIES)
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    return backfill


async def rerun(client: Client, parent: Backfill, status: int = 201, **settings: Any) -> Any:
    answer = await client.post(f"{PATH}/{parent.id}/rerun-failed", **settings)
    document = await answer.json()
    assert status == answer.status, document
    return document["data"] if status == 201 else document["error"]


async def test_a_child_covers_the_failed_entities_in_plan_order(client: Client, pool: Pool, parent: Backfill) -> None:
    data = await rerun(client, parent, json={"reason": "target is fixed"})
    child = data["backfill"]

    assert ["c", "a", "d"] == child["entity_ids"]
    assert (str(parent.id), "planning", "completed", None, {"x": 1}) == (
        child["parent_backfill_run_id"], child["status"], child["reprocess_behavior"], child["filter_resolved"],
        child["filter_spec"],
    )  # fmt: skip
    assert ("Asia/Tokyo", 3, {"p": 1}, None, "target is fixed", None, "now") == (
        child["timezone"], child["max_in_flight"], child["params"], child["name"], child["reason"],
        child["sample_size"], child["start"],
    )  # fmt: skip
    assert {"credits_per_entity": 1.5, "total_credits_estimated": 4.5, "total_entities": 3} == data["cost_estimate"]
    assert "backfill.rerun" == await pool.fetchval("SELECT action FROM audit_log")


@pytest.mark.parametrize(("sent", "expected"), [
    ({}, ["c", "a", "d"]), ({"error_class": "timeout"}, ["c", "d"]), ({"entity_ids": ["d", "a", "d"]}, ["a", "d"]),
    ({"entity_ids": ["d", "a"], "error_class": "timeout"}, ["d"]),
])  # fmt: skip
async def test_a_rerun_can_be_narrowed(
    client: Client, parent: Backfill, sent: dict[str, Any], expected: list[str]
) -> None:
    assert expected == (await rerun(client, parent, json=sent))["backfill"]["entity_ids"]


async def test_reruns_are_named_by_their_parent(client: Client, pool: Pool, parent: Backfill) -> None:
    children = []
    for status in (Status.CANCELLED, Status.COMPLETED):
        child = (await rerun(client, parent))["backfill"]
        await put_into(pool, await BackfillStore(pool).get(UUID(child["id"])), status)
        children.append({"id": child["id"], "status": status})
    shown = (await (await client.get(f"{PATH}/{parent.id}")).json())["data"]["backfill"]

    assert children == shown["children"]


async def test_ids_that_are_left_out_or_named_twice_are_told(client: Client, parent: Backfill) -> None:
    sent = {"entity_ids": ["d", "a", "d"], "error_class": "timeout"}
    answer = await client.post(f"{PATH}/{parent.id}/rerun-failed", json=sent)

    assert [
        "1 of the entity_ids repeats an earlier one (such as 'd'); each entity is planned once",
        "1 of the entity_ids is left out: failed in another way",
    ] == (await answer.json())["meta"]["warnings"]


@pytest.mark.parametrize(("sent", "path", "code"), [
    ({"entity_ids": ["a", "z"]}, "/entity_ids/1", "unknown_entity"),
    ({"entity_ids": ["b"]}, "/entity_ids/0", "not_failed"),
    ({"error_class": "http_500"}, "/error_class", "unknown_error_class"),
    ({"entity_ids": ["a"], "error_class": "timeout"}, "/error_class", "unknown_error_class"),
])  # fmt: skip
async def test_what_did_not_fail_cannot_be_rerun(
    client: Client, pool: Pool, parent: Backfill, sent: dict[str, Any], path: str, code: str
) -> None:
    error = await rerun(client, parent, 422, json=sent)

    assert [(path, code)] == [(detail["path"], detail["code"]) for detail in error["details"]]
    assert 1 == await pool.fetchval("SELECT count(*) FROM backfills")


async def test_only_what_ended_with_failures_can_be_rerun(client: Client, pool: Pool, parent: Backfill) -> None:
    await put_into(pool, parent, Status.RUNNING)
    running = await rerun(client, parent, 409)
    await put_into(pool, parent, Status.COMPLETED)
    await pool.execute("UPDATE backfill_progress SET failed = 0")
    flawless = await rerun(client, parent, 409)

    assert ["backfill_not_rerunnable"] * 2 == [running["code"], flawless["code"]]


async def test_a_cancelled_backfill_can_be_rerun(client: Client, pool: Pool, parent: Backfill) -> None:
    await put_into(pool, parent, Status.CANCELLED)

    assert 3 == (await rerun(client, parent))["backfill"]["entity_ids_count"]


async def test_a_second_rerun_has_to_wait_for_the_first(client: Client, pool: Pool, parent: Backfill) -> None:
    first = await rerun(client, parent)
    error = await rerun(client, parent, 409)

    assert ("backfill_already_active", first["backfill"]["id"]) == (error["code"], error["backfill"]["id"])


async def test_a_disabled_workflow_is_not_rerun(client: Client, pool: Pool, parent: Backfill) -> None:
    await pool.execute("UPDATE workflows SET enabled = false, managed_by = 'config'")
    error = await rerun(client, parent, 409)

    assert "workflow_disabled" == error["code"]
    assert error["message"].endswith("is disabled; `enabled = true` in the configuration file, and SIGHUP, enable it")


async def test_a_repeated_rerun_gets_the_first_answer_again(client: Client, pool: Pool, parent: Backfill) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await rerun(client, parent, headers=headers)
    again = await rerun(client, parent, json={}, headers=headers)
    other = await rerun(client, parent, 409, json={"error_class": "timeout"}, headers=headers)

    assert first == again
    assert "idempotency_key_reused" == other["code"]
    assert 2 == await pool.fetchval("SELECT count(*) FROM backfills")


async def test_a_key_is_not_good_for_another_backfill(client: Client, pool: Pool, parent: Backfill) -> None:
    other = await make_backfill(pool)
    await make_ledger(pool, other, {"a": "failed"})
    await put_into(pool, other, Status.FAILED)
    await rerun(client, parent, headers={"Idempotency-Key": "k"})
    error = await rerun(client, other, 409, headers={"Idempotency-Key": "k"})

    assert "idempotency_key_reused" == error["code"]


async def test_a_rerun_says_how_many_ids_it_was_made_of_and_their_digest(
    client: Client, pool: Pool, parent: Backfill
) -> None:
    child = (await rerun(client, parent, json={"error_class": "timeout"}))["backfill"]
    digest = hashlib.sha256(b"c\nd\n").hexdigest()
    told = json.loads(await pool.fetchval("SELECT new FROM audit_log"))

    assert (2, digest) == (child["entity_ids_count"], child["entity_ids_digest"])
    assert (2, digest) == (told["entity_ids_count"], told["entity_ids_digest"])


async def test_a_parent_that_is_deleted_meanwhile_is_not_rerun_in_part(pool: Pool, parent: Backfill) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE backfills SET deleted_at = created_at")
        with pytest.raises(NotFound):
            await BackfillStore(pool).insert(new_backfill(parent, entity_ids=EndedIn(parent.number)), on=connection)


async def test_the_deleting_of_a_parent_waits_until_its_failures_are_copied(pool: Pool, parent: Backfill) -> None:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await BackfillStore(pool).insert(new_backfill(parent, entity_ids=EndedIn(parent.number)), on=connection)
        deleting = asyncio.create_task(BackfillStore(pool).mark_deleted(parent.number, at=NOON))
        await eventually(lambda: pool.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        await transaction.commit()

    assert await deleting
    assert 3 == await pool.fetchval("SELECT count(*) FROM backfill_ids")


# By what became of them

EVERY = {"a": "failed:http_404", "b": "succeeded", "c": "skipped", "d": "cancelled", "e": "succeeded", "f": "skipped"}
CHOSEN: list[tuple[dict[str, Any], str]] = [
    ({"status": ["failed"]}, "a"),
    ({"status": ["succeeded"]}, "be"),
    ({"status": ["skipped"]}, "cf"),
    ({"status": ["cancelled"]}, "d"),
    ({"status": ["succeeded", "failed", "skipped", "cancelled", "failed"]}, "abcdef"),
    ({"status": ["skipped", "succeeded"], "entity_ids": ["f", "e", "f"]}, "ef"),
    ({"status": ["failed"], "error_class": "http_404"}, "a"),
]


@pytest.fixture
async def ended(pool: Pool, workflow: Workflow) -> Backfill:
    backfill = await make_backfill(pool, workflow)
    await make_ledger(pool, backfill, EVERY)
    await put_into(pool, backfill, Status.CANCELLED)
    return backfill


@pytest.mark.parametrize(("wanted", "ids"), CHOSEN)
async def test_what_ended_so_is_counted_and_then_run_again(
    client: Client, pool: Pool, ended: Backfill, wanted: dict[str, Any], ids: str
) -> None:
    counted = await client.post(f"{PATH}/{ended.id}/rerun", json=wanted | {"dry_run": True})
    made = await pool.fetchval("SELECT count(*) FROM backfills")
    answer = await client.post(f"{PATH}/{ended.id}/rerun", json=wanted)
    document = await answer.json()

    assert (200, {"count": len(ids)}, 1) == (counted.status, (await counted.json())["data"], made)
    assert 201 == answer.status, document
    assert list(ids) == document["data"]["backfill"]["entity_ids"]
    assert str(ended.id) == document["data"]["backfill"]["parent_backfill_run_id"]


NOT_MEANT: list[tuple[dict[str, Any], str, str]] = [
    ({}, "/status", "missing"),
    ({"status": []}, "/status", "too_short"),
    ({"status": ["pending"]}, "/status/0", "invalid_value"),
    ({"status": ["skipped"], "error_class": "http_404"}, "/error_class", "not_failed"),
    ({"status": ["failed"], "error_class": "http_500"}, "/error_class", "unknown_error_class"),
    ({"status": ["skipped"], "entity_ids": ["c", "b"]}, "/entity_ids/1", "other_status"),
    ({"status": ["skipped"], "entity_ids": ["c", "z"]}, "/entity_ids/1", "unknown_entity"),
]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_cannot_be_meant_is_named(client: Client, ended: Backfill, dry_run: bool) -> None:
    for wanted, path, code in NOT_MEANT:
        answer = await client.post(f"{PATH}/{ended.id}/rerun", json=wanted | {"dry_run": dry_run})
        (fault,) = (await answer.json())["error"]["details"]

        assert (422, path, code) == (answer.status, fault["path"], fault["code"]), wanted


async def test_only_what_has_ended_with_some_of_them_is_run_again(client: Client, pool: Pool, ended: Backfill) -> None:
    other = await make_backfill(pool)
    going = await client.post(f"{PATH}/{other.id}/rerun", json={"status": ["failed"]})
    await put_into(pool, other, Status.COMPLETED)
    nothing = await client.post(f"{PATH}/{other.id}/rerun", json={"status": ["failed", "skipped"], "dry_run": True})

    assert [(409, "backfill_not_rerunnable")] * 2 == [
        (answer.status, (await answer.json())["error"]["code"]) for answer in (going, nothing)
    ]


async def test_a_rerun_under_a_key_is_made_once(client: Client, ended: Backfill) -> None:
    headers = {"Idempotency-Key": "k"}
    body = {"status": ["succeeded"]}
    first, again = [await client.post(f"{PATH}/{ended.id}/rerun", json=body, headers=headers) for _ in range(2)]

    assert (await first.json())["data"] == (await again.json())["data"]
    assert (201, "true") == (again.status, again.headers["Idempotent-Replayed"])


async def test_rerun_failed_counts_too(client: Client, parent: Backfill) -> None:
    answer = await client.post(f"{PATH}/{parent.id}/rerun-failed", json={"dry_run": True, "error_class": "timeout"})

    assert (200, {"count": 2}) == (answer.status, (await answer.json())["data"])


GROUP, OTHER_GROUP = "00" + "ab" * 8, "00" + "cd" * 8


@pytest.mark.parametrize(
    ("more", "ids"), [({}, ["c", "d"]), ({"entity_ids": ["d", "a"]}, ["d"]), ({"error_class": "http_404"}, None)]
)
async def test_a_group_of_failures_is_run_again(
    client: Client, pool: Pool, parent: Backfill, more: dict[str, Any], ids: list[str] | None
) -> None:
    await pool.execute(
        "UPDATE outcomes SET fingerprint = $1 WHERE status = 'failed' AND error_class = 'timeout'", bytes.fromhex(GROUP)
    )
    body = {"status": ["failed"], "error_group": GROUP} | more
    counted = await client.post(f"{PATH}/{parent.id}/rerun", json=body | {"dry_run": True})
    answer = await client.post(f"{PATH}/{parent.id}/rerun", json=body)
    document = await answer.json()

    if ids is None:
        assert (422, 422) == (counted.status, answer.status)
    else:
        assert {"count": len(ids)} == (await counted.json())["data"]
        assert ids == document["data"]["backfill"]["entity_ids"]


@pytest.mark.parametrize(
    ("group", "status", "code"),
    [
        (OTHER_GROUP, "failed", "unknown_error_group"),
        (GROUP, "skipped", "not_failed"),
        ("xyz", "failed", "invalid_value"),
    ],
)
async def test_a_group_that_is_none_is_named(
    client: Client, parent: Backfill, group: str, status: str, code: str
) -> None:
    answer = await client.post(f"{PATH}/{parent.id}/rerun", json={"status": [status], "error_group": group})
    (fault,) = (await answer.json())["error"]["details"]

    assert (422, "/error_group") == (answer.status, fault["path"])
    assert code == fault["code"] or group == "xyz"
