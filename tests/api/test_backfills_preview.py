"""Previews and checked filters: the truth about what would happen, in a bounded time, and nothing stored."""

import asyncio
from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client, Serve
from tests.support.backfill_api import body, make_operations, store_entities
from tests.support.backfills import Workflow, make_backfill, put_into
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.ledgers import make_ledger

from backfilld.api.public.backfills import routes as backfills
from backfilld.domain.backfills.states import Status
from backfilld.domain.entities.records import Entity
from backfilld.sources.base import Page, SourceUnreachable
from backfilld.sources.builtin import BuiltinSource
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.entities import EntityStore

PATH = "/public-api/backfills"
NIGHTS = {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}


async def ask(client: Client, path: str, document: dict[str, Any]) -> tuple[Any, list[str]]:
    answer = await client.post(PATH + path, json=document)
    got = await answer.json()
    assert 200 == answer.status, got
    return got["data"], got["meta"]["warnings"]


async def run_before(pool: Pool, workflow: Workflow, **outcomes: str) -> None:
    backfill = await make_backfill(pool, workflow)
    await make_ledger(pool, backfill, outcomes)
    await put_into(pool, backfill, Status.COMPLETED)


@pytest.mark.parametrize(("behavior", "skipped", "to_run"), [
    ("completed", {}, 4), ("failed", {"already_succeeded": 2}, 2), ("none", {"already_run": 3}, 1),
])  # fmt: skip
async def test_a_preview_counts_what_planning_would_skip(
    client: Client, pool: Pool, workflow: Workflow, behavior: str, skipped: dict[str, int], to_run: int
) -> None:
    await store_entities(pool, *({"n": number} for number in range(5)))
    await run_before(pool, workflow, e0="succeeded", e1="succeeded", e2="failed", e4="succeeded")
    rules = {"combinator": "and", "rules": [{"field": "n", "operator": "<", "value": 4}]}
    data, warnings = await ask(
        client, "/preview", body(workflow.workflow_id, filter_spec=rules, reprocess_behavior=behavior)
    )

    assert (4, to_run, skipped) == (data["total_entities"], data["to_run_count"], data["skipped"])
    assert {"credits_per_entity": 1.5, "total_credits_estimated": 1.5 * to_run, "total_entities": to_run} == (
        data["cost_estimate"]
    )
    assert ["e0", "e1", "e2", "e3"] == [entity["id"] for entity in data["sample"]]
    assert len(skipped) == len(warnings)
    assert 1 == await pool.fetchval("SELECT count(*) FROM backfills")


async def test_named_entities_are_all_planned(client: Client, pool: Pool, workflow: Workflow) -> None:
    await store_entities(pool, {"a": 1}, {"a": 2})
    sent = body(workflow.workflow_id, filter_spec={"a": 1}, entity_ids=["e0", "e1", "nobody", "e0"])
    data, _ = await ask(client, "/preview", sent)

    assert (3, 1, {"not_found": 1, "not_matching": 1}) == (
        data["total_entities"], data["to_run_count"], data["skipped"],
    )  # fmt: skip


async def test_a_preview_shows_the_next_openings_in_both_times(client: Client, workflow: Workflow) -> None:
    sent = body(workflow.workflow_id, daily_execution_windows=NIGHTS, timezone="America/New_York")
    data, _ = await ask(client, "/preview", sent)

    assert 10 == len(data["openings"])
    assert {
        "opens_at": "2027-03-02T03:00:00Z", "closes_at": "2027-03-02T11:00:00Z",
        "opens_at_local": "2027-03-01T22:00:00-05:00", "closes_at_local": "2027-03-02T06:00:00-05:00",
    } == data["openings"][0]  # fmt: skip
    assert "22:00:00" == data["effective_windows"]["monday"][0]["run_start_time"]
    assert "2027-03-02T03:00:00Z" == data["estimated_start_at"]


async def test_clock_changes_are_noted(client: Client, workflow: Workflow) -> None:
    windows = {"saturday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}
    sent = body(workflow.workflow_id, daily_execution_windows=windows, timezone="America/New_York")
    data, _ = await ask(client, "/preview", sent)

    assert 1 == sum("New_York" in note or "clock" in note for note in data["notes"])


async def test_what_is_always_open_has_one_opening_without_an_end(client: Client, workflow: Workflow) -> None:
    data, _ = await ask(client, "/preview", body(workflow.workflow_id))

    assert [{"opens_at": "2027-03-01T12:00:00Z", "closes_at": None,
             "opens_at_local": "2027-03-01T12:00:00+00:00", "closes_at_local": None}] == data["openings"]  # fmt: skip
    assert ("2027-03-01T12:00:00Z", "2027-03-01T12:00:00Z") == (
        data["estimated_start_at"], data["estimated_completion_at"],
    )  # fmt: skip


async def test_the_end_is_estimated_at_the_pace_of_the_last_time(
    client: Client, pool: Pool, workflow: Workflow
) -> None:
    await store_entities(pool, *({} for _ in range(10)))
    earlier = await make_backfill(pool, workflow, max_in_flight=2)
    await put_into(pool, earlier, Status.COMPLETED)
    unknown, _ = await ask(client, "/preview", body(workflow.workflow_id))
    await pool.execute("UPDATE backfill_progress SET throughput = 1")
    known, _ = await ask(client, "/preview", body(workflow.workflow_id, max_in_flight=4))
    approved, _ = await ask(client, "/preview", body(workflow.workflow_id, start="when_approved"))

    assert None is unknown["estimated_completion_at"]
    assert ["the end cannot be estimated: workflow classify has no backfill yet to tell its pace"] == unknown["notes"]
    assert "2027-03-01T12:00:05Z" == known["estimated_completion_at"]
    assert ("2027-03-01T12:00:00Z", "2027-03-01T12:00:04Z") == (
        approved["estimated_start_at"], approved["estimated_completion_at"],
    )  # fmt: skip
    assert ["it waits for approval; start and end are estimated as if it were approved now"] == approved["notes"]


@pytest.mark.parametrize(
    ("start", "filter_spec", "said"),
    [("when_approved", {"status": "open"}, True), ("when_approved", {}, False), ("now", {"status": "open"}, False)],
)
async def test_what_waits_for_approval_says_that_its_filter_is_not_asked_again(
    client: Client, pool: Pool, workflow: Workflow, start: str, filter_spec: Any, said: bool
) -> None:
    await store_entities(pool, {"status": "open"})
    data, _ = await ask(client, "/preview", body(workflow.workflow_id, start=start, filter_spec=filter_spec))

    assert said == any("what stops matching before its turn is run all the same" in note for note in data["notes"])


@pytest.mark.parametrize("ids", [None, ["e0"]])
async def test_samples_show_the_fields_of_the_filter_first(
    client: Client, pool: Pool, workflow: Workflow, ids: list[str] | None
) -> None:
    await store_entities(pool, {"a": 1, "company": {"name": "x"}, "status": "open", "z": 2})
    rules = [{"field": "z", "operator": ">", "value": 1}, {"field": "company.name", "operator": "=", "value": "x"}]
    filter_spec = {"combinator": "and", "rules": [*rules, {"field": "gone", "operator": "null"}]}
    wanted = body(workflow.workflow_id, filter_spec=filter_spec, entity_ids=ids)
    previewed, _ = await ask(client, "/preview", wanted)
    verified, _ = await ask(client, "/verify", {name: wanted[name] for name in ("entity_type", "filter_spec")})

    assert [["z", "company", "a", "status"]] * 2 == [
        list(data["sample"][0]["attributes"]) for data in (previewed, verified)
    ]


class Stuck:
    """A source that knows its size and never finishes a page."""

    freshness_seconds = None

    async def count(self, query: object, *, within_seconds: float) -> int:
        return 7

    async def pages(self, query: object, *, cursor: str | None, page_size: int) -> Any:
        await asyncio.Event().wait()
        yield None


class Away:
    """A source that does not answer."""

    freshness_seconds = None

    async def count(self, query: object, *, within_seconds: float) -> int:
        raise SourceUnreachable("no route to host")

    async def pages(self, query: object, *, cursor: str | None, page_size: int) -> Any:
        raise SourceUnreachable("no route to host")
        yield None


async def test_what_cannot_be_had_in_time_is_null(
    pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve
) -> None:
    operations = make_operations(pool, clock, FakeControl(), source=Stuck(), count_timeout_seconds=0.05)
    data, warnings = await ask(await serve(backfills.routes(operations)), "/preview", body(workflow.workflow_id))

    assert (7, None, None, []) == (
        data["total_entities"], data["to_run_count"], data["skipped"], data["sample"],
    )  # fmt: skip
    assert any("what would run is not known: looking took longer than 0.05 s" in warning for warning in warnings)
    assert ["the end cannot be estimated: how much would run is not known"] == data["notes"]


class Endless(Stuck):
    """A source that gives a page, and never another one."""

    async def count(self, query: object, *, within_seconds: float) -> None:
        await asyncio.Event().wait()

    async def pages(self, query: object, *, cursor: str | None, page_size: int) -> Any:
        yield Page([Entity(f"e{number}", {}) for number in range(40)], "more", exact=True)
        await asyncio.Event().wait()


async def test_what_was_counted_until_the_time_was_over_is_a_least(
    pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve
) -> None:
    await run_before(pool, workflow, e0="succeeded", e1="succeeded")
    operations = make_operations(pool, clock, FakeControl(), source=Endless(), count_timeout_seconds=0.2)
    client = await serve(backfills.routes(operations))
    await pool.execute("UPDATE backfill_progress SET throughput = 1")
    data, warnings = await ask(client, "/preview", body(workflow.workflow_id, starts_per_minute=1))

    assert (None, None, 40, 38) == (
        data["total_entities"], data["to_run_count"], data["at_least"], data["to_run_at_least"],
    )  # fmt: skip
    assert any("at least 38 of the 40 that were seen" in warning for warning in warnings)
    assert None is data["estimated_completion_at"]
    assert ["the end cannot be estimated: how much would run is not known; it is not before Mon 12:38 UTC"] == data[
        "notes"
    ]


class Dear(Endless):
    """The same, and a page is a request."""

    freshness_seconds = 1.0


class NoCounter(BuiltinSource):
    """Counts for longer than anybody waits."""

    async def count(self, query: object, *, within_seconds: float) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (Endless, {"target_workflow_id": ...}),
        (Dear, {"reprocess_behavior": "completed"}),
        pytest.param(Endless, {"reprocess_behavior": "completed"}, marks=pytest.mark.slow),
        pytest.param(Dear, {"target_workflow_id": ...}, marks=pytest.mark.slow),
    ],
)
async def test_what_was_seen_is_a_least_also_where_nobody_asks_what_was_run_before(
    pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve, source: type[Endless], wanted: dict[str, Any]
) -> None:
    operations = make_operations(pool, clock, FakeControl(), source=source(), count_timeout_seconds=0.4)
    client = await serve(backfills.routes(operations))
    data, warnings = await ask(client, "/preview", body(workflow.workflow_id, **wanted))
    verified, _ = await ask(client, "/verify", {"entity_type": "ticket", "filter_spec": {}})

    assert (None, None, 40, 40) == (
        data["total_entities"], data["to_run_count"], data["at_least"], data["to_run_at_least"],
    )  # fmt: skip
    assert any("the total is not known, at least 40: looking took longer" in warning for warning in warnings)
    assert (None, 40) == (verified["matching_entities"], verified["at_least"])
    assert "at least 40" in verified["message"]


async def test_what_is_not_counted_in_time_is_looked_through(pool: Pool, clock: FakeClock, serve: Serve) -> None:
    await store_entities(pool, *({"n": n} for n in range(30)))
    operations = make_operations(pool, clock, FakeControl(), source=NoCounter(EntityStore(pool)))
    client = await serve(backfills.routes(operations))
    rule = {"combinator": "and", "rules": [{"field": "n", "operator": "<", "value": 20}]}
    wanted = body(0, target_workflow_id=..., filter_spec=rule)
    data, _ = await ask(client, "/preview", wanted)

    assert (20, 20, None) == (data["total_entities"], data["to_run_count"], data["at_least"])


async def test_it_works_without_a_workflow(client: Client, pool: Pool) -> None:
    await store_entities(pool, {"n": 1}, {"n": 2}, {"n": 2})
    data, _ = await ask(client, "/preview", body(0, target_workflow_id=..., filter_spec={"n": 2}))
    created = await client.post(PATH, json=body(0, target_workflow_id=...))

    assert (2, 2, {}) == (data["total_entities"], data["to_run_count"], data["skipped"])
    assert {"credits_per_entity": None, "total_credits_estimated": None, "total_entities": 2} == data["cost_estimate"]
    assert ("2027-03-01T12:00:00Z", None) == (data["estimated_start_at"], data["estimated_completion_at"])
    assert ["the end cannot be estimated: no workflow is named that could tell its speed"] == data["notes"]
    assert 422 == created.status


async def test_the_end_goes_by_how_long_items_took_and_not_by_the_pace_that_one_was_given(
    client: Client, pool: Pool, workflow: Workflow
) -> None:
    await store_entities(pool, *({} for _ in range(120)))
    await run_before(pool, workflow, a="succeeded", b="failed", c="succeeded")
    await pool.execute("UPDATE backfill_progress SET throughput = 0.01")  # it was paced
    await pool.execute("UPDATE outcomes SET started_at = finished_at - interval '2 s', attempts = 1")
    free, _ = await ask(client, "/preview", body(workflow.workflow_id, max_in_flight=4))
    paced, _ = await ask(client, "/preview", body(workflow.workflow_id, max_in_flight=4, starts_per_minute=60))

    assert "2027-03-01T12:01:00Z" == free["estimated_completion_at"]
    assert "2027-03-01T12:02:00Z" == paced["estimated_completion_at"]
    assert [
        {"what": "max_in_flight", "value": 4, "in_use": None, "name": None, "items_per_minute": 120},
        {"what": "starts_per_minute", "value": 60, "in_use": None, "name": None, "items_per_minute": 60},
    ] == paced["limits"]


@pytest.mark.parametrize(("settings", "said"), [
    ({"sample_size": 1},
     "it stops after a sample of 1 entity; its end is estimated as if somebody let it go on at once"),
    ({"start": "when_approved"}, "it waits for approval; start and end are estimated as if it were approved now"),
])  # fmt: skip
async def test_where_it_waits_for_somebody_is_noted(
    client: Client, workflow: Workflow, settings: dict[str, Any], said: str
) -> None:
    data, _ = await ask(client, "/preview", body(workflow.workflow_id, **settings))

    assert said in data["notes"]


@pytest.mark.parametrize(("cap", "warned"), [(2.9, True), (3, False), (None, False)])
async def test_a_cap_that_does_not_suffice_is_warned_of(
    client: Client, pool: Pool, workflow: Workflow, cap: float | None, warned: bool
) -> None:
    await store_entities(pool, {}, {})
    _, warnings = await ask(client, "/preview", body(workflow.workflow_id, max_credits=cap))

    assert warned == ("max_credits is 2.9, but 2 entities cost about 3.0: it stops after about 1" in warnings)


async def test_who_waits_longer_is_told_more(pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve) -> None:
    await store_entities(pool, {}, {})
    client = await serve(backfills.routes(make_operations(pool, clock, FakeControl(), count_timeout_seconds=0)))
    hasty, _ = await ask(client, "/preview", body(workflow.workflow_id))
    patient, _ = await ask(client, "/preview?wait=30", body(workflow.workflow_id))
    hasty_check, _ = await ask(client, "/verify", {"entity_type": "ticket", "filter_spec": {}})
    verified, _ = await ask(client, "/verify?wait=30", {"entity_type": "ticket", "filter_spec": {}})
    refused = await client.post(f"{PATH}/preview?wait=31", json=body(workflow.workflow_id))

    assert (None, 2, 2) == (hasty["to_run_count"], patient["to_run_count"], verified["matching_entities"])
    assert (None, True, "WARNING") == (hasty_check["matching_entities"], hasty_check["success"], hasty_check["level"])
    assert hasty_check["message"].startswith(
        "the filter is valid; the total is not known: looking took longer than 0 s"
    )
    assert 422 == refused.status


async def test_a_source_that_is_away_is_said_so(pool: Pool, clock: FakeClock, workflow: Workflow, serve: Serve) -> None:
    client = await serve(backfills.routes(make_operations(pool, clock, FakeControl(), source=Away())))
    previewed, warnings = await ask(client, "/preview", body(workflow.workflow_id))
    verified, _ = await ask(client, "/verify", {"entity_type": "ticket", "filter_spec": {"a": 1}})
    created = await client.post(PATH, json=body(workflow.workflow_id))

    assert None is previewed["total_entities"]
    assert any("no route to host" in warning for warning in warnings)
    assert (None, False, "ERROR") == (verified["matching_entities"], verified["success"], verified["level"])
    assert 201 == created.status


async def test_a_filter_that_matches_is_ok_and_shown_on_examples(client: Client, pool: Pool) -> None:
    await store_entities(pool, *({"n": number} for number in range(30)))
    rules = {"combinator": "and", "rules": [{"field": "n", "operator": ">=", "value": 10}]}
    data, _ = await ask(client, "/verify", {"entity_type": "ticket", "filter_spec": rules})

    assert (20, True, "OK") == (data["matching_entities"], data["success"], data["level"])
    assert "20 entities of type ticket match" == data["message"]
    assert 10 == len(data["sample"])
    assert {"id": "e10", "type": "ticket", "attributes": {"n": 10}, "updated_at": None,
            "as_of": "2027-03-01T12:00:00Z"} == data["sample"][0]  # fmt: skip


async def test_a_suspicious_zero_is_explained(client: Client, pool: Pool) -> None:
    await store_entities(pool, {"priority": "1"}, {"priority": "2"})
    rules = {"combinator": "and", "rules": [{"field": "priority", "operator": "<", "value": 3}]}
    data, _ = await ask(client, "/verify", {"entity_type": "ticket", "filter_spec": rules})

    assert (0, True, "WARNING") == (data["matching_entities"], data["success"], data["level"])
    assert 'field `priority` is text in 2 records (example "1"); the rule compares a number' in data["message"]


async def test_everything_is_a_warning(client: Client, pool: Pool) -> None:
    await store_entities(pool, {}, {})
    data, warnings = await ask(client, "/verify", {"entity_type": "ticket", "filter_spec": {}})

    assert (2, "WARNING") == (data["matching_entities"], data["level"])
    assert 1 == len(warnings)
