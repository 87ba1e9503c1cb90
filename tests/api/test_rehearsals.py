"""A rehearsal: only where the target obeys it, handed to it, and forgotten by later backfills."""

from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfill_api import body
from tests.support.backfills import make_backfill, make_workflow, put_into
from tests.support.engine import ListSource, engine_on, entities
from tests.support.ledgers import make_ledger

from backfilld.domain.backfills.states import Status
from backfilld.domain.errors import Fault
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.last_runs import LastRunsStore

PATH = "/public-api/backfills"


@pytest.mark.parametrize(("obeys", "asked", "status"), [(True, True, 201), (False, True, 422), (False, False, 201)])
async def test_only_a_workflow_whose_target_obeys_it_can_rehearse(
    client: Client, pool: Pool, obeys: bool, asked: bool, status: int
) -> None:
    workflow = await make_workflow(pool, rehearsal=obeys)
    answer = await client.post(PATH, json=body(workflow.workflow_id, rehearsal=asked))
    document = await answer.json()

    assert status == answer.status
    if status == 201:
        assert asked is document["data"]["backfill"]["rehearsal"]
    else:
        (fault,) = document["error"]["details"]
        assert ("/rehearsal", "rehearsal_not_supported") == (fault["path"], fault["code"])


@pytest.mark.parametrize("rehearsal", [True, False])
async def test_later_backfills_do_not_know_of_it(pool: Pool, rehearsal: bool) -> None:
    backfill = await make_backfill(pool, rehearsal=rehearsal)
    await make_ledger(pool, backfill, {"a": "succeeded", "b": "failed:http_404"})
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    await LastRunsStore(pool).bring_up_to_date(backfill.workflow_id)

    assert (0 if rehearsal else 2) == await pool.fetchval("SELECT count(*) FROM last_runs")


@pytest.mark.parametrize("rehearsal", [True, False])
async def test_the_target_is_told(dsn, pool, rehearsal):
    told: list[bool] = []
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, rehearsal=rehearsal)
    async with engine_on(dsn, pool, source=ListSource(entities(3))) as engine:
        plain = engine.executor.script
        engine.executor.script = lambda work: told.append(work.rehearsal) or plain(work)
        await engine.until(backfill, "completed")

    assert [rehearsal] * 3 == told


async def test_a_rerun_is_a_rehearsal_too_while_the_workflow_can(client: Client, pool: Pool) -> None:
    workflow = await make_workflow(pool, rehearsal=True)
    backfill = await make_backfill(pool, workflow, rehearsal=True, exclusive=False)
    await make_ledger(pool, backfill, {"b": "failed:http_404"})
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    answer = await client.post(f"{PATH}/{backfill.id}/rerun-failed")
    document = await answer.json()
    await pool.execute("UPDATE revisions SET definition = (definition::jsonb - 'rehearsal')::json")
    again = await client.post(f"{PATH}/{backfill.id}/rerun-failed")

    assert (201, True) == (answer.status, document["data"]["backfill"]["rehearsal"])
    assert (409, "rehearsal_not_supported") == (again.status, (await again.json())["error"]["code"])


@pytest.mark.parametrize(("sent", "codes"), [("${entity.id}", ["rehearsal_not_supported"]), ("${rehearsal}", [])])
def test_a_template_that_does_not_tell_of_it_is_refused(sent: str, codes: list[str]) -> None:
    executor: dict[str, Any] = {
        "type": "http", "connection": "crm", "url": "/tickets", "request": {"body": {"is": sent}},
    }  # fmt: skip
    definition = WorkflowDefinition.model_validate({"name": "w", "rehearsal": True, "executor": executor})
    faults: list[Fault] = definition_faults(definition, DefinitionRules(None, [], [], {}, {"crm": []}))

    assert codes == [fault.code for fault in faults if fault.path == "/rehearsal"]
