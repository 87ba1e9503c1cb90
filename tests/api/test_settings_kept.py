"""No setting is lost on the way: from the body to the row, to the answer, to another body, to a rerun."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfill_api import body
from tests.support.backfills import Workflow, change_settings, make_backfill, new_backfill, put_into
from tests.support.ledgers import make_ledger
from tests.support.schedules import backfill_days, make_schedule
from tests.support.settings import NOT_KEPT_BY_A_RERUN, UNUSUAL

from backfilld.api.public.backfills.bodies import CreateBackfill
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.records import SCHEDULE, Backfill
from backfilld.domain.backfills.states import Status
from backfilld.domain.windows.weekly import WEEKDAYS
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.rows import row_text
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
WEEK = {day: [] for day in WEEKDAYS} | {"friday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}
OF_ENTITIES = replace(UNUSUAL, stop_on_failure=False, daily_execution_windows=WEEK)  # that of kind schedule alone
OF_SESSIONS = replace(UNUSUAL, entity_type=None, filter_spec=None, rehearsal=False, recheck=False)


def sent(settings: BackfillSettings) -> dict[str, Any]:
    """The settings as a body says them."""
    plain = asdict(settings) | {"excluded_dates": sorted(str(day) for day in settings.excluded_dates)}
    return {name: value for name, value in plain.items() if name in CreateBackfill.model_fields}


async def create(client: Client, document: Mapping[str, Any]) -> dict[str, Any]:
    answer = await client.post(PATH, data=json.dumps(document), headers={"Content-Type": "application/json"})
    text = await answer.text()
    assert 201 == answer.status, text
    found = await client.get(f"{PATH}/{json.loads(text)['data']['backfill']['id']}")
    backfill: dict[str, Any] = json.loads(await found.text())["data"]["backfill"]
    return backfill


async def test_every_setting_that_is_sent_is_stored_and_shown_under_its_name(
    client: Client, pool: Pool, workflow: Workflow
) -> None:
    shown = await create(client, body(workflow.workflow_id, **sent(OF_ENTITIES)))
    stored = await BackfillStore(pool).get(shown["id"])

    assert stored.settings == OF_ENTITIES
    assert sent(OF_ENTITIES) == {name: shown[name] for name in sent(OF_ENTITIES)}
    assert {field.name for field in fields(BackfillSettings)} <= shown.keys()


async def test_what_is_shown_of_a_backfill_makes_another_with_the_same_settings(
    client: Client, pool: Pool, workflow: Workflow
) -> None:
    shown = await create(client, body(workflow.workflow_id, **sent(OF_ENTITIES)))
    first = await BackfillStore(pool).get(shown["id"])
    await put_into(pool, first, Status.COMPLETED)
    again = await create(client, {name: shown[name] for name in CreateBackfill.model_fields})
    second = await BackfillStore(pool).get(again["id"])

    assert first.settings == second.settings


@pytest.fixture(params=["entities", "sessions"])
async def parent(request: pytest.FixtureRequest, pool: Pool, workflow: Workflow) -> Backfill:
    """An ended backfill, unusual in everything, in which one item has failed."""
    return await (_of_entities(pool, workflow) if request.param == "entities" else _of_sessions(pool))


async def _of_entities(pool: Pool, workflow: Workflow) -> Backfill:
    backfill = await make_backfill(pool, workflow, settings=OF_ENTITIES)
    await make_ledger(pool, backfill, {"a": "failed", "b": "succeeded"})
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    return backfill


async def _of_sessions(pool: Pool) -> Backfill:
    answer = await backfill_days(pool, await make_schedule(pool), 1, "night")
    assert answer.backfill_id is not None
    backfill = await BackfillStore(pool).get(answer.backfill_id)
    row = json.loads(row_text(new_backfill(backfill, kind=SCHEDULE, settings=OF_SESSIONS)))
    await change_settings(pool, backfill, **row["settings"])
    await pool.execute("UPDATE backfills SET max_in_flight = $1, name = $2", row["max_in_flight"], row["name"])
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, error_class)"
        " VALUES ($1, 0, 'failed', $2, $2, 1, 'http_500')",
        backfill.number, backfill.created_at,
    )  # fmt: skip
    await pool.execute("UPDATE attempts SET finished_at = created_at")
    await pool.execute("UPDATE backfill_progress SET failed = 1, low_water_mark = 1")
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    return await BackfillStore(pool).get(backfill.id)


async def rerun(client: Client, pool: Pool, parent: Backfill) -> Backfill:
    answer = await client.post(f"{PATH}/{parent.id}/rerun-failed")
    document = await answer.json()
    assert 201 == answer.status, document
    return await BackfillStore(pool).get(document["data"]["backfill"]["id"])


async def test_a_rerun_keeps_every_setting_but_those_that_chose_its_items(
    client: Client, pool: Pool, parent: Backfill
) -> None:
    child = await rerun(client, pool, parent)
    changed = {
        field.name
        for field in fields(BackfillSettings)
        if getattr(parent.settings, field.name) != getattr(child.settings, field.name)
    }

    assert set() == changed - NOT_KEPT_BY_A_RERUN


async def test_a_rerun_starts_nothing_on_a_date_that_its_parent_excluded(
    client: Client, pool: Pool, parent: Backfill
) -> None:
    child = await rerun(client, pool, parent)

    assert UNUSUAL.excluded_dates == child.settings.excluded_dates


async def test_a_rerun_stays_within_the_windows_of_its_parent(client: Client, pool: Pool, parent: Backfill) -> None:
    child = await rerun(client, pool, parent)
    shown = (await (await client.get(f"{PATH}/{child.id}")).json())["data"]["backfill"]

    assert (parent.settings.daily_execution_windows, "Asia/Tokyo") == (
        child.settings.daily_execution_windows, child.settings.timezone,
    )  # fmt: skip
    assert not shown["window"]["open"]  # it is Monday evening in Tokyo
    assert {"friday": [{"run_start_time": "22:00:00", "run_end_time": "06:00:00"}]} == {
        day: spans for day, spans in shown["effective_windows"].items() if spans
    }
