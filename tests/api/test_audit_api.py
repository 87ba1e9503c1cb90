"""Who did what, and what happened to a backfill, over HTTP."""

from datetime import timedelta
from uuid import uuid4

import pytest
from tests.api.backfill_fixtures import PATH, Client, control, operations, workflow  # noqa: F401  # fixtures
from tests.api.conftest import Serve
from tests.support.backfill_api import body, store_entities
from tests.support.backfills import Workflow
from tests.support.clock import NOON, FakeClock

from backfilld.api.public import audit, keys
from backfilld.api.public.backfills import routes as backfills
from backfilld.domain.access.callers import Actor
from backfilld.operations.auditing import AuditReading
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.keys import KeyOperations, create_key
from backfilld.store.connection.pool import Pool

LOG = "/public-api/audit-log"


@pytest.fixture
async def client(pool: Pool, clock: FakeClock, operations: BackfillOperations, serve: Serve) -> Client:  # noqa: F811
    routes = backfills.routes(operations) + audit.routes(AuditReading(pool)) + keys.routes(KeyOperations(pool, clock))
    return await serve(routes)


async def a_backfill(client: Client, workflow: Workflow) -> str:  # noqa: F811
    answer = await client.post(PATH, json=body(workflow.workflow_id, reason="new model"))
    return str((await answer.json())["data"]["backfill"]["id"])


async def test_a_timeline_tells_who_did_what_and_why(
    client: Client,
    pool: Pool,
    clock: FakeClock,
    workflow: Workflow,  # noqa: F811
) -> None:
    await store_entities(pool, {"n": 1})
    id = await a_backfill(client, workflow)
    clock.set(NOON + timedelta(minutes=1))
    paused = await client.post(f"{PATH}/{id}/pause", json={"reason": "too loud"})
    answer = await client.get(f"{PATH}/{id}/timeline")
    created, pause = (await answer.json())["data"]["events"]

    assert ("backfill.create", "new model", NOON.strftime("%Y-%m-%dT%H:%M:%SZ")) == (
        created["action"], created["reason"], created["at"]
    )  # fmt: skip
    assert ("backfill.pause", "too loud", "key:operator", f"backfill/{id}", id) == (
        pause["action"], pause["reason"], pause["actor"], pause["subject"], pause["backfill_id"]
    )  # fmt: skip
    assert {"status": "planning", "status_reason": None} == pause["old"]
    assert {"status": "paused", "status_reason": "paused_by_user"} == pause["new"]
    assert paused.headers["X-Request-Id"] == pause["request_id"]


async def test_pages_of_a_timeline_follow_each_other(client: Client, workflow: Workflow) -> None:  # noqa: F811
    id = await a_backfill(client, workflow)
    for verb in ("pause", "resume", "pause", "resume"):
        await client.post(f"{PATH}/{id}/{verb}")
    actions, cursor = [], None
    while True:
        query = {"page_size": "2"} | ({"cursor": cursor} if cursor else {})
        page = await (await client.get(f"{PATH}/{id}/timeline", params=query)).json()
        actions += [event["action"] for event in page["data"]["events"]]
        cursor = page["meta"]["pagination"]["next_cursor"]
        if cursor is None:
            break

    assert ["create", "pause", "resume", "pause", "resume"] == [action.split(".")[1] for action in actions]


async def test_a_backfill_that_is_not_there_has_no_timeline(client: Client) -> None:
    assert 404 == (await client.get(f"{PATH}/{uuid4()}/timeline")).status
    assert 404 == (await client.get(f"{PATH}/7/timeline")).status


async def test_pages_of_the_log_follow_each_other_newest_first(client: Client, workflow: Workflow) -> None:  # noqa: F811
    id = await a_backfill(client, workflow)
    await client.post(f"{PATH}/{id}/pause")
    first = await (await client.get(LOG, params={"page_size": "1"})).json()
    cursor = first["meta"]["pagination"]["next_cursor"]
    second = await (await client.get(LOG, params={"page_size": "1", "cursor": cursor})).json()

    assert ["backfill.pause"] == [event["action"] for event in first["data"]["events"]]
    assert ["backfill.create"] == [event["action"] for event in second["data"]["events"]]
    assert not second["meta"]["pagination"]["has_more"]


async def test_filters_narrow_the_log(client: Client, workflow: Workflow) -> None:  # noqa: F811
    id = await a_backfill(client, workflow)
    await client.post(f"{PATH}/{id}/pause")

    async def count(**query: str) -> int:
        return len((await (await client.get(LOG, params=query)).json())["data"]["events"])

    assert 2 == await count(actor="key:operator", subject=f"backfill/{id}", action="backfill")
    assert 0 == await count(actor="key:viewer")
    assert 1 == await count(action="backfill.pause", since="2027-03-01T12:00:00Z")
    assert 0 == await count(until="2027-03-01T13:00:00+01:00")


async def test_all_faults_of_a_question_are_named(client: Client) -> None:
    answer = await client.get(LOG, params={"since": "yesterday", "actr": "x", "cursor": "x", "subject": ""})
    paths = {detail["path"] for detail in (await answer.json())["error"]["details"]}

    assert 422 == answer.status
    assert {"/query/since", "/query/actr", "/query/cursor", "/query/subject"} == paths


async def test_what_is_done_to_keys_is_shown_to_admins_with_the_names_of_keys(
    client: Client, pool: Pool, clock: FakeClock
) -> None:
    made = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    admin = {"Authorization": "Bearer admin"}
    await client.delete(f"/public-api/api-keys/{made.id}", headers=admin)
    seen = (await (await client.get(LOG, headers=admin)).json())["data"]["events"]
    others = (await (await client.get(LOG, headers={"Authorization": "Bearer viewer"})).json())["data"]["events"]

    assert ["api_key.revoke", "api_key.create"] == [event["action"] for event in seen]
    assert made.key not in str(seen)
    assert [] == others


async def test_an_actor_that_is_a_key_has_its_name(client: Client, pool: Pool, clock: FakeClock) -> None:
    made = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    await create_key(pool, clock, name="other", role="viewer", actor=Actor.local(f"key:{made.id}"))
    events = (await (await client.get(LOG, headers={"Authorization": "Bearer admin"})).json())["data"]["events"]

    assert ["ci", None] == [event["actor_name"] for event in events]
