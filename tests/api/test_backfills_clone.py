"""What a clone says can be sent as it is, and makes the same."""

from dataclasses import fields, replace
from typing import Any

from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfills import Workflow, make_backfill, put_into
from tests.support.schedules import backfill_days, make_schedule
from tests.support.settings import UNUSUAL

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.states import Status
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
OF_THAT_ONE = {"reason", "total_estimated"}


async def clone(client: Client, id: Any, status: int = 200) -> Any:
    answer = await client.get(f"{PATH}/{id}/clone")
    document = await answer.json()
    assert status == answer.status, document
    return document["data"] if status == 200 else document["error"]


async def test_sent_as_it_is_it_makes_the_same(client: Client, pool: Pool, workflow: Workflow) -> None:
    chosen = replace(UNUSUAL, stop_on_failure=False, filter_spec={"status": "open"}, max_in_flight=3)
    first = await make_backfill(pool, workflow, settings=chosen)
    await put_into(pool, first, Status.COMPLETED)
    body = await clone(client, first.id)
    answer = await client.post(PATH, json=body)
    document = await answer.json()
    assert 201 == answer.status, document
    second = await BackfillStore(pool).get(document["data"]["backfill"]["id"])
    different = {
        one.name
        for one in fields(BackfillSettings)
        if getattr(first.settings, one.name) != getattr(second.settings, one.name)
    }

    assert OF_THAT_ONE == different
    assert (None, workflow.workflow_id) == (second.parent_id, second.workflow_id)


async def test_ids_are_named_whole_and_the_filter_of_a_rerun_is_not_asked(
    client: Client, pool: Pool, workflow: Workflow
) -> None:
    ids = [f"e{number}" for number in range(150)]
    plain = await make_backfill(pool, workflow, entity_ids=ids, filter_spec={"a": 1}, exclusive=False)
    child = await make_backfill(
        pool, workflow, entity_ids=ids, filter_spec={"a": 1}, filter_resolved=None, exclusive=False
    )
    bodies = [await clone(client, one.id) for one in (plain, child)]

    assert [(ids, {"a": 1}), (ids, {})] == [(body["entity_ids"], body["filter_spec"]) for body in bodies]


async def test_more_ids_than_a_body_may_name_are_not_cloned(client: Client, pool: Pool, workflow: Workflow) -> None:
    backfill = await make_backfill(pool, workflow, entity_ids=["a"])
    await pool.execute("UPDATE backfills SET entity_ids_count = 100001")
    error = await clone(client, backfill.id, 409)

    assert "not_clonable" == error["code"]
    assert f"/public-api/backfills/{backfill.id}/rerun" in error["message"]


async def test_sessions_are_asked_for_elsewhere(client: Client, pool: Pool) -> None:
    schedule = await make_schedule(pool)
    made = await backfill_days(pool, schedule)
    error = await clone(client, made.backfill_id, 409)

    assert "not_clonable" == error["code"]
    assert f"POST /api/schedules/{schedule.id}/backfill" in error["message"]
