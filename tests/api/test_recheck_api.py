"""Whether a filter is asked again: what is usual, what is refused, and what is said of it."""

from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfill_api import body, make_operations
from tests.support.backfills import Workflow, make_backfill, make_workflow
from tests.support.clock import NOON, FakeClock
from tests.support.engine import ListSource
from tests.support.fake_control import FakeControl
from tests.support.schedules import backfill_days, make_schedule

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.rechecking import ASKED_AGAIN, ASKED_ONCE
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.sources.builtin import BuiltinSource
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.entities import EntityStore

PATH = "/public-api/backfills"
AN_API, FILTER = {"ticket": "psa"}, {"status": "open"}


class Frozen(ListSource):
    """Lists once, and reads nothing again."""

    can_be_read_again = False


@pytest.fixture
def source(request: pytest.FixtureRequest, pool: Pool) -> tuple[Any, Any]:
    """The source of tickets, and by which connection: an API, one whose records are read once, or our own table."""
    kind = getattr(request, "param", "own")
    return (Frozen() if kind == "frozen" else BuiltinSource(EntityStore(pool))), ({} if kind == "own" else AN_API)


@pytest.fixture
def operations(pool: Pool, clock: FakeClock, control: FakeControl, source: tuple[Any, Any]) -> BackfillOperations:
    found, connections = source
    return make_operations(pool, clock, control, source=found, connections=connections)


async def post(client: Client, path: str, document: dict[str, Any]) -> tuple[int, Any]:
    answer = await client.post(path, json=document)
    return answer.status, await answer.json()


def faults(document: Any) -> list[tuple[str, str]]:
    return [(fault["path"], fault["code"]) for fault in document["error"]["details"]]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("api", {...: True, None: True, False: False, True: True}),
        ("own", {...: False, None: False, True: True}),
        ("frozen", {...: False, None: False, False: False}),
    ],
    indirect=["source"],
)
async def test_it_is_usual_for_apis_that_can_be_read_again(
    client: Client, pool: Pool, expected: dict[Any, bool]
) -> None:
    for sent, recheck in expected.items():
        workflow = await make_workflow(pool)
        status, document = await post(client, PATH, body(workflow.workflow_id, filter_spec=FILTER, recheck=sent))
        id = document["data"]["backfill"]["id"]
        shown = (await (await client.get(f"{PATH}/{id}")).json())["data"]["backfill"]
        clone = (await (await client.get(f"{PATH}/{id}/clone")).json())["data"]

        assert (201, recheck, recheck) == (status, shown["recheck"], clone["recheck"]), sent


@pytest.mark.parametrize("source", ["frozen"], indirect=True)
@pytest.mark.parametrize("path", [PATH, PATH + "/preview"])
async def test_what_cannot_be_read_again_cannot_be_tested_again(client: Client, workflow: Workflow, path: str) -> None:
    status, document = await post(client, path, body(workflow.workflow_id, recheck=True))

    assert (422, [("/recheck", "recheck_not_possible")]) == (status, faults(document))


async def test_nor_can_what_has_no_source(client: Client, workflow: Workflow) -> None:
    asked = body(workflow.workflow_id, entity_type="none", entity_ids=["a"], recheck=True)
    status, document = await post(client, PATH, asked)

    assert (422, [("/recheck", "recheck_not_possible")]) == (status, faults(document))


async def _frozen(pool: Pool, workflow: Workflow) -> Any:
    return (await make_backfill(pool, workflow)).id


async def _of_sessions(pool: Pool, workflow: Workflow) -> Any:
    return (await backfill_days(pool, await make_schedule(pool), 1, "night")).backfill_id


async def _rerun(pool: Pool, workflow: Workflow) -> Any:
    parent = await make_backfill(pool, workflow, exclusive=False)
    return (await make_backfill(pool, workflow, parent_number=parent.number, parent_id=parent.id, exclusive=False)).id


@pytest.mark.parametrize(
    ("source", "made"),
    [("frozen", _frozen), ("own", _of_sessions), ("api", _of_sessions), ("own", _rerun), ("api", _rerun)],
    indirect=["source"],
)
async def test_it_cannot_be_switched_on_where_it_means_nothing(
    client: Client, pool: Pool, workflow: Workflow, made: Any
) -> None:
    id = await made(pool, workflow)
    refused = await client.patch(f"{PATH}/{id}", json={"recheck": True})
    kept = [await client.patch(f"{PATH}/{id}", json={"recheck": value}) for value in (False, None)]
    stored = await BackfillStore(pool).get(id)

    assert (422, [("/recheck", "recheck_not_possible")]) == (refused.status, faults(await refused.json()))
    assert [200, 200] == [answer.status for answer in kept]
    assert not stored.settings.recheck


@pytest.mark.parametrize("source", ["api"], indirect=True)
async def test_null_restores_what_is_usual_for_the_type(client: Client, pool: Pool, workflow: Workflow) -> None:
    backfill = await make_backfill(pool, workflow, entity_type="ticket", recheck=False)
    answer = await client.patch(f"{PATH}/{backfill.id}", json={"recheck": None})

    assert (await answer.json())["data"]["backfill"]["recheck"]


@pytest.mark.parametrize(
    ("recheck", "filter_spec", "expected"),
    [(True, FILTER, ASKED_AGAIN), (False, FILTER, ASKED_ONCE), (True, {}, None), (False, {"match_all": True}, None)],
)
async def test_a_preview_says_what_becomes_of_what_stops_matching_until_the_approval(
    client: Client, workflow: Workflow, recheck: bool, filter_spec: Any, expected: str | None
) -> None:
    asked = body(workflow.workflow_id, start="when_approved", filter_spec=filter_spec, recheck=recheck)
    _, document = await post(client, PATH + "/preview", asked)
    notes = document["data"]["notes"]

    assert [expected] if expected else [] == [note for note in notes if note in (ASKED_AGAIN, ASKED_ONCE)]


@pytest.mark.parametrize("recheck", [True, False])
async def test_a_plan_that_waits_for_approval_says_that_its_filter_is_asked_again(
    client: Client, pool: Pool, workflow: Workflow, recheck: bool
) -> None:
    backfill = await make_backfill(pool, workflow, filter_spec=FILTER, start="when_approved", recheck=recheck)
    waits = because(ReasonCode.AWAITING_APPROVAL, since=NOON, to_run=3, left_out=None)
    await BackfillStore(pool).move(backfill.number, Status.PAUSED, reason=waits, at=NOON)
    document = await (await client.get(f"{PATH}/{backfill.id}")).json()

    assert ([ASKED_AGAIN] if recheck else []) == document["meta"]["warnings"]
