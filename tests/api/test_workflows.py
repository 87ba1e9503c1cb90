"""Workflows over HTTP."""

from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.support.clock import FakeClock

from backfilld.api.public import workflows
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.executors.secret_use import SecretUse
from backfilld.operations.workflows import WorkflowOperations
from backfilld.store.connection.pool import Pool

PATH = "/public-api/workflows"
HTTP = {"type": "http", "url": "https://t.example/run"}


@pytest.fixture
def operations(pool: Pool, clock: FakeClock) -> WorkflowOperations:
    uses = {"bound": SecretUse(hosts=("t.example",), used_by=("classify",)), "dsn": SecretUse(kept_for="a source")}
    return WorkflowOperations(pool, clock, DefinitionRules(("http",), (), ("token", *uses), uses))


@pytest.fixture
async def client(serve: Serve, operations: WorkflowOperations) -> Client:
    return await serve(workflows.routes(operations), role="admin")


async def make(client: Client, name: str = "classify", **more: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"name": name, "executor": HTTP, **more})
    assert 201 == answer.status, await answer.text()
    made: dict[str, Any] = (await answer.json())["data"]["workflow"]
    return made


async def faults(answer: Any) -> dict[str, str]:
    return {fault["path"]: fault["code"] for fault in (await answer.json())["error"]["details"]}


async def test_a_workflow_comes_back_as_it_was_made(client: Client) -> None:
    headers = {"Authorization": {"secret": "token"}}
    made = await make(client, executor={**HTTP, "headers": headers}, credits_per_entity=0.5)
    shown = (await (await client.get(f"{PATH}/{made['id']}")).json())["data"]["workflow"]

    assert made == shown
    assert headers == shown["executor"]["headers"]
    assert ("api", "default", True, 3, "UTC", 0.5) == (
        shown["managed_by"], shown["project"], shown["enabled"], shown["max_attempts"], shown["timezone"],
        shown["credits_per_entity"],
    )  # fmt: skip


async def test_whole_credits_are_written_without_a_fraction(client: Client) -> None:
    for number, (credits, written) in enumerate([(2, "2,"), (2.0, "2,"), (0, "0,"), (0.5, "0.5,")]):
        made = await make(client, f"w{number}", credits_per_entity=credits)
        answer = await (await client.get(f"{PATH}/{made['id']}")).text()

        assert f'"credits_per_entity":{written}' in answer.replace(" ", ""), credits


async def test_the_location_leads_to_it(client: Client) -> None:
    answer = await client.post(PATH, json={"name": "a", "executor": HTTP})

    assert 200 == (await client.get(answer.headers["Location"])).status


async def test_a_revision_id_leads_to_its_workflow(client: Client) -> None:
    made = await make(client)
    answer = await client.get(f"{PATH}/{made['revision_id']}")

    assert made == (await answer.json())["data"]["workflow"]


async def test_every_fault_of_a_definition_comes_at_once(client: Client) -> None:
    executor = {
        "type": "http",
        "url": "ftp://x/",
        "headers": {"Authorization": "Bearer x"},
        "secret": {"secret": "tok"},
    }
    body = {
        "nam": "a",
        "executor": executor,
        "timezone": "Europe/Berlinn",
        "max_attempts": 0,
        "schedule": {"dayly>": 1},
    }
    answer = await client.post(PATH, json=body)

    assert 422 == answer.status
    assert {
        "/name": "missing",
        "/nam": "unknown_field",
        "/executor/url": "invalid_url",
        "/executor/headers/Authorization": "literal_secret",
        "/executor/secret/secret": "unknown_secret",
        "/timezone": "unknown_timezone",
        "/max_attempts": "out_of_range",
        "/schedule/dayly>": "unknown_field",
    } == await faults(answer)


NO_EXECUTORS: list[tuple[Any, dict[str, str]]] = [
    ({"type": "command", "argv": ["true"]}, {"/executor/type": "executor_not_allowed"}),
    ({"type": "htp", "url": "https://x/"}, {"/executor/type": "invalid_value"}),
    ({"url": "https://x/"}, {"/executor/type": "missing"}),
    ({"type": "http"}, {"/executor/url": "missing"}),
    ({"type": "http", "url": "https://x/", "urll": 1}, {"/executor/urll": "unknown_field"}),
    ("http", {"/executor": "invalid_type"}),
    (None, {"/executor": "invalid_type"}),
]


async def test_an_executor_is_looked_at_closely(client: Client) -> None:
    for executor, expected in NO_EXECUTORS:
        answer = await client.post(PATH, json={"name": "a", "executor": executor})

        assert 422 == answer.status, executor
        assert expected == await faults(answer), executor


async def test_a_name_is_taken_once(client: Client) -> None:
    made = await make(client)
    answer = await client.post(PATH, json={"name": "classify", "executor": HTTP})
    error = (await answer.json())["error"]

    assert 409 == answer.status
    assert ("workflow_exists", made["id"]) == (error["code"], error["workflow_id"])
    await make(client, project="other")


async def test_a_change_is_shown_and_written_down(client: Client, pool: Pool) -> None:
    made = await make(client)
    answer = await client.patch(f"{PATH}/{made['id']}", json={"max_attempts": 9})
    row = await pool.fetchrow("SELECT * FROM audit_log WHERE action = 'workflow.edit'")

    assert 9 == (await answer.json())["data"]["workflow"]["max_attempts"]
    assert row is not None
    assert ("key:admin", '{"max_attempts":null}', '{"max_attempts":9}') == (row["actor"], row["old"], row["new"])
    assert answer.headers["X-Request-Id"] == str(row["request_id"])


async def test_why_it_was_disabled_and_deleted_is_written_down(client: Client, pool: Pool) -> None:
    made = await make(client)
    one = f"{PATH}/{made['id']}"
    answer = await client.patch(one, json={"enabled": False, "reason": "its address is wrong"})
    gone = await client.delete(f"{one}?reason=nobody needs it")
    rows = await pool.fetch("SELECT action, reason FROM audit_log WHERE reason IS NOT NULL ORDER BY id")

    assert (200, 204) == (answer.status, gone.status)
    assert "reason" not in (await answer.json())["data"]["workflow"]
    assert [("workflow.edit", "its address is wrong"), ("workflow.delete", "nobody needs it")] == [
        tuple(row) for row in rows
    ]


NO_CHANGES: list[tuple[Any, str]] = [
    ({}, ""),
    ({"reason": "because"}, ""),
    ({"executor": None}, "/executor"),
    ({"name": "b"}, "/name"),
    ({"executor": {"type": "http"}}, "/executor/url"),
]


async def test_a_change_must_be_one(client: Client) -> None:
    made = await make(client)
    for body, path in NO_CHANGES:
        answer = await client.patch(f"{PATH}/{made['id']}", json=body)

        assert 422 == answer.status, body
        assert [path] == list(await faults(answer)), body


async def test_workflows_of_the_file_are_read_only(client: Client, operations: WorkflowOperations) -> None:
    await operations.sync_config([{"name": "a", "executor": HTTP}])
    listed = (await (await client.get(PATH)).json())["data"]["workflows"]
    path = f"{PATH}/{listed[0]['id']}"
    answers = [await client.patch(path, json={"enabled": False}), await client.delete(path)]

    assert "config" == listed[0]["managed_by"]
    assert [409, 409] == [answer.status for answer in answers]
    assert {"managed_by_config"} == {(await answer.json())["error"]["code"] for answer in answers}


async def test_a_deleted_workflow_is_gone(client: Client) -> None:
    made = await make(client)
    path = f"{PATH}/{made['id']}"
    statuses = [(await client.delete(path)).status, (await client.get(path)).status, (await client.delete(path)).status]

    assert [204, 404, 404] == statuses
    assert [] == (await (await client.get(PATH)).json())["data"]["workflows"]


async def test_the_list_has_pages_and_filters(client: Client) -> None:
    for name in ("a", "b", "c"):
        await make(client, name, project="p")
    await make(client, "d")
    first = await (await client.get(PATH, params={"project": "p", "page_size": 2})).json()
    cursor = first["meta"]["pagination"]["next_cursor"]
    rest = await (await client.get(PATH, params={"project": "p", "page_size": 2, "cursor": cursor})).json()

    assert ["a", "b"] == [workflow["name"] for workflow in first["data"]["workflows"]]
    assert ["c"] == [workflow["name"] for workflow in rest["data"]["workflows"]]


async def test_an_id_that_names_nothing_is_404(client: Client) -> None:
    for id_ in ("0", "-1", "1.5", "x", "99999999999999999999", "999999", "%00", "1%2F2"):
        assert 404 == (await client.get(f"{PATH}/{id_}")).status, id_


async def test_an_operator_reads_and_does_not_write(serve: Serve, operations: WorkflowOperations) -> None:
    client = await serve(workflows.routes(operations), role="operator")

    assert 200 == (await client.get(PATH)).status
    assert 403 == (await client.post(PATH, json={})).status


async def test_a_schedule_comes_and_goes_with_the_workflow(client: Client, pool: Pool) -> None:
    made = await make(client, schedule={"daily>": "09:00:00"})
    path, zones = f"{PATH}/{made['id']}", "SELECT next_session_at::text FROM schedules"
    placed = await pool.fetchval(zones)
    shown = (await (await client.patch(path, json={"timezone": "Asia/Tokyo"})).json())["data"]["workflow"]
    moved = await pool.fetchval(zones)
    await client.patch(path, json={"schedule": None})

    assert placed is not None is not moved is not placed
    assert {"daily>": "09:00:00"} == shown["schedule"]
    assert await pool.fetchval(zones) is None


async def test_a_deleted_workflow_has_no_schedule(client: Client, pool: Pool) -> None:
    made = await make(client, schedule={"daily>": "09:00:00"})
    await client.delete(f"{PATH}/{made['id']}")

    assert 0 == await pool.fetchval("SELECT count(*) FROM schedules")


async def test_schedules_of_the_file_keep_their_place_over_a_restart(
    operations: WorkflowOperations, pool: Pool
) -> None:
    workflow = {"name": "a", "executor": HTTP, "schedule": {"hourly>": "00:00"}}
    await operations.sync_config([workflow])
    await pool.execute("UPDATE schedules SET disabled_at = now(), last_session_at = '2020-01-01Z'")
    before = await pool.fetchrow("SELECT * FROM schedules")
    await operations.sync_config([workflow])
    await operations.sync_config([{**workflow, "max_attempts": 5}])

    assert before == await pool.fetchrow("SELECT * FROM schedules")


async def test_what_a_workflow_missed_while_it_was_disabled_is_not_made_up_for(client: Client, pool: Pool) -> None:
    made = await make(client, schedule={"hourly>": "00:00"}, enabled=False)
    await pool.execute("UPDATE schedules SET next_session_at = '2020-01-01Z', next_run_at = '2020-01-01Z'")
    await client.patch(f"{PATH}/{made['id']}", json={"enabled": True})

    assert await pool.fetchval("SELECT next_session_at > '2020-01-02Z' AND skipped_to = next_session_at FROM schedules")


def sending(secret: str, url: str = HTTP["url"]) -> dict[str, Any]:
    return {**HTTP, "url": url, "headers": {"X-Got": {"secret": secret}}}


@pytest.mark.parametrize(
    ("name", "executor"),
    [
        ("classify", sending("bound", "https://attacker.example/")),
        ("other", sending("bound")),
        ("classify", sending("dsn")),
    ],
)
async def test_a_secret_that_is_not_for_this_is_refused_at_every_way_in(client: Client, name, executor) -> None:
    made = await make(client, name, executor=HTTP)
    created = await client.post(PATH, json={"name": name, "project": "new", "executor": executor})
    changed = await client.patch(f"{PATH}/{made['id']}", json={"executor": executor})
    shown = (await (await client.get(f"{PATH}/{made['id']}")).json())["data"]["workflow"]

    assert (422, 422) == (created.status, changed.status)
    assert {"/executor/headers/X-Got/secret": "secret_not_allowed"} == await faults(changed)
    assert made == shown


async def test_a_secret_that_is_for_this_is_taken(client: Client) -> None:
    assert sending("bound")["headers"] == (await make(client, executor=sending("bound")))["executor"]["headers"]
