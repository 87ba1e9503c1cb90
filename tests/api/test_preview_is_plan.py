"""What a preview says is what planning does, on the same data: held against the planner for settings of chance."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.conftest import Client, Serve
from tests.support.backfill_api import body, make_operations, store_entities
from tests.support.backfills import make_backfill, make_workflow, put_into
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.fake_control import FakeControl
from tests.support.ledgers import make_ledger

from backfilld.api.public.backfills import routes as backfills
from backfilld.domain.backfills.states import Status
from backfilld.engine.backfills.planning.planner import Planner
from backfilld.sources.builtin import BuiltinSource
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.backfills.plans import PlanStore
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.entities import EntityStore
from backfilld.store.ledger.last_runs import LastRunsStore

PATH = "/public-api/backfills"
ENTITIES = 12
RECORDS = [{"status": "open" if n % 3 else "closed", "name": "Straße" if n % 2 else "STRASSE"} for n in range(ENTITIES)]
FOLDED = {"field": "name", "operator": "=", "value": "straße", "case_sensitive": False}  # SQL alone cannot say this
FILTERS = [
    {},
    {"status": "open"},
    {"status": "nothing"},
    {"combinator": "and", "rules": [FOLDED]},
    {"combinator": "or", "not": True, "rules": [FOLDED, {"field": "status", "operator": "=", "value": "closed"}]},
]
ids = st.sampled_from([f"e{n}" for n in range(ENTITIES + 3)])  # the last three are nobody's
earlier = st.tuples(
    st.sampled_from([Status.COMPLETED, Status.CANCELLED, Status.RUNNING, Status.PAUSED]),
    st.dictionaries(ids, st.sampled_from(["succeeded", "failed", "skipped", "cancelled", "retrying", "pending"])),
)
wanted = st.fixed_dictionaries(
    {
        "filter_spec": st.sampled_from(FILTERS),
        "reprocess_behavior": st.sampled_from(["none", "failed", "completed"]),
        "order": st.sampled_from(["source", "newest_first"]),
        "entity_ids": st.none() | st.lists(ids, min_size=1, max_size=20),
    }
)


@pytest.fixture
async def client(pool: Pool, clock: FakeClock, serve: Serve) -> Client:
    operations = make_operations(
        pool, clock, FakeControl(), allow_concurrent_per_workflow=True, count_timeout_seconds=60
    )
    return await serve(backfills.routes(operations))


async def data_of(client: Client, path: str, document: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(PATH + path, json=document)
    got = await answer.json()
    assert answer.ok, got
    return got["data"]


async def planned(pool: Pool, id: str) -> tuple[int, dict[str, int]]:
    """Total and skips by reason of the plan that is made now."""
    row = await BackfillStore(pool).get(id)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(row.number)
    plan, last_runs = PlanStore(pool, row.number, grant.fence), LastRunsStore(pool)

    async def may_go_on() -> bool:
        return True

    await last_runs.bring_up_to_date(row.workflow_id)
    await Planner(row, plan, BuiltinSource(EntityStore(pool)), last_runs, FakeClock(), may_go_on).gather()
    async with pool.acquire() as connection, connection.transaction():
        totals = await plan.freeze(
            connection, at=FakeClock().now(), drafts=row.settings.order != "source", newest_first=True, sample_size=None
        )
    skipped = await pool.fetch("SELECT skip_reason FROM outcomes WHERE backfill_number = $1", row.number)
    return totals.planned, dict(Counter(one["skip_reason"] for one in skipped))


@given(before=st.lists(earlier, max_size=3), asked=wanted)
@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
async def test_a_preview_says_what_planning_does(
    client: Client, pool: Pool, before: list[tuple[Status, dict[str, str]]], asked: dict[str, Any]
) -> None:
    if not await pool.fetchval("SELECT count(*) FROM entities"):
        await store_entities(pool, *RECORDS)
    workflow = await make_workflow(pool)  # one that has run nothing yet, for every example
    for status, ledger in before:
        backfill = await make_backfill(pool, workflow, exclusive=False)
        await make_ledger(pool, backfill, ledger)
        await put_into(pool, backfill, status)
    document = body(workflow.workflow_id, **{name: value for name, value in asked.items() if value is not None})
    previewed = await data_of(client, "/preview", document)
    created = await data_of(client, "", document)
    total, skipped = await planned(pool, created["backfill"]["id"])

    assert (total, skipped) == (previewed["total_entities"], previewed["skipped"])
    assert total - sum(skipped.values()) == previewed["to_run_count"]
