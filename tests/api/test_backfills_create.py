"""Creating backfills over HTTP: what is stored, what is warned of, and what is answered again."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client, Serve
from tests.support.backfill_api import body, make_operations, store_entities
from tests.support.backfills import ALWAYS, Workflow, make_backfill, make_workflow, put_into
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.ledgers import make_ledger

from backfilld.api.public.backfills.routes import routes
from backfilld.domain.backfills.states import Status
from backfilld.domain.windows.weekly import WEEKDAYS
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"


async def count(pool: Pool, table: str) -> int:
    found: int = await pool.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name from this file
    return found


async def create(client: Client, document: dict[str, Any], *, key: str | None = None, status: int = 201) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    answer = await client.post(PATH, json=document, headers=headers)
    text = await answer.text()
    assert status == answer.status, text
    return await answer.json()


async def test_a_backfill_is_created_with_everything_that_belongs_to_it(
    client: Client, pool: Pool, workflow: Workflow, control: FakeControl
) -> None:
    await store_entities(pool, {}, {})
    answer = await client.post(PATH, json=body(workflow.workflow_id, reason="years of it"))
    document = await answer.json()
    backfill = document["data"]["backfill"]

    assert 201 == answer.status
    assert f"{PATH}/{backfill['id']}" == answer.headers["Location"]
    assert ("planning", "classify", 1) == (backfill["status"], backfill["target_workflow_name"], backfill["version"])
    assert {"credits_per_entity": 1.5, "total_credits_estimated": 3, "total_entities": 2} == (
        document["data"]["cost_estimate"]
    )
    assert 1 == control.nudges
    assert [1, 1, 1] == [await count(pool, table) for table in ("backfills", "backfill_progress", "audit_log")]
    row = await pool.fetchrow("SELECT actor, action, reason FROM audit_log")
    assert ("key:operator", "backfill.create", "years of it") == tuple(row or ())


async def test_what_was_sent_comes_back(client: Client, workflow: Workflow) -> None:
    windows = {day: [] for day in WEEKDAYS} | {"friday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}
    sent = body(
        workflow.workflow_id, filter_spec={"status": "open"}, daily_execution_windows=windows, timezone="Asia/Tokyo",
        total_estimated=0, name="night", reason="why", start="when_approved", order="newest_first",
        reprocess_behavior="none", sample_size=3, max_attempts=7, excluded_dates=["2027-12-24"], params={"a": [1]},
        entity_ids=["b", "a", "b"],
    )  # fmt: skip
    backfill = (await create(client, sent))["data"]["backfill"]

    assert sent | {"entity_ids": ["b", "a"]} == {name: backfill[name] for name in sent}
    assert 2 == backfill["entity_ids_count"]
    assert [{"run_start_time": "22:00:00", "run_end_time": "06:00:00"}] == backfill["effective_windows"]["friday"]
    assert {"field": "status", "operator": "=", "value": "open"} == backfill["filter_resolved"]["rules"][0]
    assert {
        "open": False,
        "next_open_at": "2027-03-05T13:00:00Z",
        "closes_at": None,
        "override_until": None,
    } == backfill["window"]


async def test_a_whole_number_may_be_written_with_a_fraction(client: Client, workflow: Workflow) -> None:
    sent = body(workflow.workflow_id, max_in_flight=2.0, target_workflow_id=float(workflow.workflow_id))

    assert 2 == (await create(client, sent))["data"]["backfill"]["max_in_flight"]


async def test_a_revision_stands_for_its_workflow(client: Client, workflow: Workflow) -> None:
    answer = await create(client, body(workflow.revision_id))

    assert workflow.workflow_id == answer["data"]["backfill"]["target_workflow_id"]


async def test_entities_that_cannot_be_listed_can_be_named(client: Client, workflow: Workflow) -> None:
    answer = await create(client, body(workflow.workflow_id, entity_type="none", entity_ids=["x", "y"]))

    assert 2 == answer["data"]["cost_estimate"]["total_entities"]
    assert None is answer["data"]["backfill"]["filter_resolved"]


@pytest.mark.parametrize(("fields", "words"), [
    ({}, "matches every entity"),
    ({"timezone": ...}, "no timezone was given, so windows and dates are in UTC: it is 12:00 there now"),
    ({"daily_execution_windows": {"monday": [
        {"run_start_time": "01:00", "run_end_time": "03:00"}, {"run_start_time": "02:00", "run_end_time": "04:00"}]}},
     "overlap"),
    ({"total_estimated": 5}, "total_estimated is 5, but 2 entities match"),
])  # fmt: skip
async def test_what_is_strange_but_allowed_is_warned_of(
    client: Client, pool: Pool, workflow: Workflow, fields: dict[str, Any], words: str
) -> None:
    await store_entities(pool, {"a": 1}, {"a": 1})
    answer = await create(client, body(workflow.workflow_id, **fields))

    warnings = " | ".join(answer["meta"]["warnings"])
    assert words in warnings


async def test_windows_that_never_open_are_accepted_with_a_warning(client: Client, workflow: Workflow) -> None:
    # on 2027-03-14 clocks in New York skip this half hour, and the other Sundays are excluded
    sundays = [str(date(2027, 2, 28) + timedelta(days=7 * week)) for week in range(61)]
    windows = {"sunday": [{"run_start_time": "02:15", "run_end_time": "02:45"}]}
    answer = await create(client, body(workflow.workflow_id, daily_execution_windows=windows, excluded_dates=sundays))

    assert any("do not open within the next 400 days" in warning for warning in answer["meta"]["warnings"])


async def test_a_count_that_takes_too_long_is_not_waited_for(
    pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve
) -> None:
    class SlowSource:
        async def count(self, query: object, *, within_seconds: float) -> int:
            await asyncio.Event().wait()
            return 0

    operations = make_operations(pool, clock, FakeControl(), source=SlowSource(), count_timeout_seconds=0.01)
    answer = await create(await serve(routes(operations)), body(workflow.workflow_id))

    assert {"credits_per_entity": 1.5, "total_credits_estimated": None, "total_entities": None} == (
        answer["data"]["cost_estimate"]
    )
    assert any("counting took longer" in warning for warning in answer["meta"]["warnings"])


async def test_a_workflow_without_a_price_costs_nothing(client: Client, pool: Pool) -> None:
    free = await make_workflow(pool)
    cost = (await create(client, body(free.workflow_id)))["data"]["cost_estimate"]

    assert (0, 0, 0) == (cost["credits_per_entity"], cost["total_credits_estimated"], cost["total_entities"])


async def test_a_second_active_backfill_of_a_workflow_is_refused_and_the_first_named(
    client: Client, pool: Pool, workflow: Workflow
) -> None:
    first = (await create(client, body(workflow.workflow_id)))["data"]["backfill"]
    error = (await create(client, body(workflow.workflow_id), status=409))["error"]

    assert "backfill_already_active" == error["code"]
    assert {"id": first["id"], "status": "planning"} == error["backfill"]
    assert 1 == await count(pool, "audit_log")


async def test_concurrent_backfills_can_be_allowed(
    pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve
) -> None:
    operations = make_operations(pool, clock, FakeControl(), allow_concurrent_per_workflow=True)
    client = await serve(routes(operations))
    await create(client, body(workflow.workflow_id))
    await create(client, body(workflow.workflow_id))

    assert 2 == await count(pool, "backfills")


async def test_of_many_creations_at_once_exactly_one_wins(client: Client, pool: Pool, workflow: Workflow) -> None:
    answers = await asyncio.gather(*(client.post(PATH, json=body(workflow.workflow_id)) for _ in range(8)))

    assert [201] + [409] * 7 == sorted(answer.status for answer in answers)
    assert 1 == await count(pool, "backfills")


async def test_a_repeated_request_gets_the_first_answer_again(
    client: Client, pool: Pool, workflow: Workflow, control: FakeControl
) -> None:
    first = await client.post(PATH, json=body(workflow.workflow_id), headers={"Idempotency-Key": "k"})
    await pool.execute("UPDATE workflows SET enabled = false")  # the answer comes before any other check
    reordered = dict(reversed(body(workflow.workflow_id, max_in_flight=5.0).items()))
    again = await client.post(PATH, json=reordered, headers={"Idempotency-Key": "k"})
    one, other = await first.json(), await again.json()

    assert (201, 201) == (first.status, again.status)
    assert one["data"] == other["data"]
    assert one["meta"]["warnings"] == other["meta"]["warnings"]
    assert one["meta"]["request_id"] != other["meta"]["request_id"]
    assert first.headers["Location"] == again.headers["Location"]
    assert (None, "true") == (first.headers.get("Idempotent-Replayed"), again.headers.get("Idempotent-Replayed"))
    assert (1, 1) == (await count(pool, "backfills"), control.nudges)


@pytest.mark.parametrize("other", [{"max_in_flight": 6}, {"max_in_flight": "no number"}, {"unknown": 1}])
async def test_a_key_cannot_be_used_for_another_request(
    client: Client, workflow: Workflow, other: dict[str, Any]
) -> None:
    await create(client, body(workflow.workflow_id), key="k")
    error = (await create(client, body(workflow.workflow_id, **other), key="k", status=409))["error"]

    assert "idempotency_key_reused" == error["code"]


async def test_only_successes_are_remembered(client: Client, workflow: Workflow) -> None:
    await create(client, body(workflow.workflow_id, max_in_flight=0), key="k", status=422)
    answer = await create(client, body(workflow.workflow_id), key="k")

    assert "planning" == answer["data"]["backfill"]["status"]


async def test_a_key_counts_for_its_caller_alone(client: Client, pool: Pool, workflow: Workflow) -> None:
    other = await make_workflow(pool)
    await create(client, body(workflow.workflow_id), key="k")
    headers = {"Idempotency-Key": "k", "Authorization": "Bearer admin"}
    answer = await client.post(PATH, json=body(other.workflow_id), headers=headers)

    assert 201 == answer.status


async def test_equal_requests_at_once_make_one_backfill(client: Client, pool: Pool, workflow: Workflow) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(
        *(client.post(PATH, json=body(workflow.workflow_id), headers=headers) for _ in range(8))
    )
    codes = {(await answer.json())["error"]["code"] for answer in answers if answer.status != 201}

    assert 1 == await count(pool, "backfills")
    assert codes <= {"idempotency_key_in_use"}
    assert 1 <= sum(answer.status == 201 for answer in answers)


async def test_two_daemons_at_once_make_one_backfill(
    pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve
) -> None:
    clients = [await serve(routes(make_operations(pool, clock, FakeControl()))) for _ in range(2)]
    headers = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(
        *(client.post(PATH, json=body(workflow.workflow_id), headers=headers) for client in clients * 3)
    )
    codes = {(await answer.json())["error"]["code"] for answer in answers if answer.status != 201}

    assert 1 == await count(pool, "backfills")
    assert codes <= {"idempotency_key_in_use"}


@pytest.mark.parametrize("key", ["", "k" * 256, "tab\tinside"])
async def test_a_key_that_is_none_is_refused(client: Client, pool: Pool, workflow: Workflow, key: str) -> None:
    answer = await client.post(PATH, json=body(workflow.workflow_id), headers={"Idempotency-Key": key})

    assert 422 == answer.status
    assert "/headers/Idempotency-Key" == (await answer.json())["error"]["details"][0]["path"]
    assert 0 == await count(pool, "backfills")


async def test_a_viewer_cannot_create(client: Client, pool: Pool, workflow: Workflow) -> None:
    answer = await client.post(PATH, json=body(workflow.workflow_id), headers={"Authorization": "Bearer viewer"})

    assert 403 == answer.status
    assert 0 == await count(pool, "backfills")


async def test_windows_are_open_when_they_always_are(client: Client, workflow: Workflow) -> None:
    backfill = (await create(client, body(workflow.workflow_id)))["data"]["backfill"]

    assert {"open": True, "next_open_at": None, "closes_at": None, "override_until": None} == backfill["window"]
    assert ALWAYS == backfill["daily_execution_windows"]


@pytest.mark.parametrize(
    ("behavior", "ids", "said"),
    [
        ("failed", None, "2 entities of type ticket have succeeded"),
        ("none", None, "3 entities of type ticket were run"),
        ("failed", ["e0", "e2"], "1 of these entities has succeeded"),
        ("completed", None, None),
        ("none", ["e9"], None),
    ],
)
async def test_those_that_are_left_out_are_counted_in_a_warning(
    client: Client, pool: Pool, workflow: Workflow, behavior: str, ids: list[str] | None, said: str | None
) -> None:
    earlier = await make_backfill(pool, workflow)
    await make_ledger(pool, earlier, {"e0": "succeeded", "e1": "succeeded", "e2": "failed"})
    await put_into(pool, earlier, Status.COMPLETED)
    asked = body(workflow.workflow_id, reprocess_behavior=behavior, entity_ids=ids)
    warnings = (await create(client, asked))["meta"]["warnings"]

    assert ([said] if said else []) == [one[: len(said or "")] for one in warnings if "before" in one]
