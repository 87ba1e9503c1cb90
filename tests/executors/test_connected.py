"""Items that go to an API through the connection that entities come from."""

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fake_psa.autotask import CODE, SECRET, USER, Autotask, tickets
from tests.fake_psa.connectwise import CLIENT, COMPANY, PRIVATE, PUBLIC, ConnectWise
from tests.fake_psa.connectwise import tickets as of_connectwise
from tests.fake_psa.serving import serving
from tests.support.clock import FakeClock
from tests.support.executing import FreePermit, ShutPermit, work

from backfilld.app.sources.connections import connections_of
from backfilld.app.sources.links import ConnectionLink
from backfilld.config.model import Settings
from backfilld.domain.backfills.verdicts import VerdictKind
from backfilld.domain.entities.attributes_text import AttributesText
from backfilld.executors.base import NotPermitted
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.definitions.http import HttpExecutor
from backfilld.executors.http.client import Limits
from backfilld.executors.http.connected import ConnectedExecutor
from backfilld.executors.secrets import SecretStore
from backfilld.sources.http.asking.connection import Connection

RECLASSIFY = {
    "type": "http",
    "connection": "psa",
    "url": "/Tickets",
    "request": {
        "method": "PATCH",
        "body": {"id": "${entity.attributes.id}", "priority": 2, "title": "was ${entity.id}"},
    },
}


@pytest.fixture
async def api() -> AsyncIterator[Autotask]:
    async with serving(Autotask(Tickets=tickets(20))) as fake:
        yield fake


@pytest.fixture
async def connection(api: Autotask, clock: FakeClock) -> AsyncIterator[Connection]:
    text = f"""
        [connections.psa]
        preset = "autotask"
        url = "{api.url}"
        username = "{USER}"
        integration_code = {{ secret = "code" }}
        secret = {{ secret = "autotask" }}
        allow_private_address = true
        requests_per_hour = 4  # of which one asks for the zone
        executors = true
        used_by = ["default/reclassify"]
    """
    settings = Settings.model_validate(tomllib.loads(text), context={"base": Path()})
    made = connections_of(settings, SecretStore({"code": CODE, "autotask": SECRET}), clock)["psa"]
    await made.base()  # the zone is known
    yield made
    await made.close()


@pytest.fixture
async def executor(connection: Connection, clock: FakeClock) -> AsyncIterator[ConnectedExecutor]:
    definition = HttpExecutor.model_validate(RECLASSIFY)
    made = ConnectedExecutor(definition, ConnectionLink(connection, clock), clock=clock, limits=Limits())
    yield made
    await made.close()


async def test_a_record_is_changed_where_it_lives(api: Autotask, executor: ConnectedExecutor) -> None:
    verdict = await executor.execute(work(entity_id="3", attributes={"id": 3}), FreePermit())

    assert VerdictKind.SUCCEEDED is verdict.kind
    assert (2, "was 3") == (api.entities["Tickets"][3]["priority"], api.entities["Tickets"][3]["title"])
    assert {"id": 3, "priority": 2, "title": "was 3"} == api.asked[-1].json
    assert "Idempotency-Key" in api.asked[-1].headers


async def test_attributes_that_nobody_has_read_are_put_in_as_what_they_say(
    api: Autotask, connection: Connection, clock: FakeClock
) -> None:
    body = {"id": "${entity.attributes.id}", "all": "${entity.attributes}", "title": "was ${entity.attributes}"}
    definition = HttpExecutor.model_validate({**RECLASSIFY, "request": {"method": "PATCH", "body": body}})
    executor = ConnectedExecutor(definition, ConnectionLink(connection, clock), clock=clock, limits=Limits())
    for attributes in ({"id": 3}, AttributesText('{"id": 3}')):
        await executor.execute(work(entity_id="3", attributes=attributes), FreePermit())
        assert {"id": 3, "all": {"id": 3}, "title": 'was {"id":3}'} == api.asked[-1].json
    await executor.close()


async def test_a_closed_gate_costs_nothing_of_the_budget(
    api: Autotask, executor: ConnectedExecutor, connection: Connection
) -> None:
    for _ in range(5):
        with pytest.raises(NotPermitted):
            await executor.execute(work(attributes={"id": 3}), ShutPermit())

    assert 1 == connection.usage.used
    assert [1] == list(connection.budget.asked_since_written().values())
    assert VerdictKind.SUCCEEDED is (await executor.execute(work(attributes={"id": 3}), FreePermit())).kind


async def test_too_many_at_once_is_no_failed_try(api: Autotask, executor: ConnectedExecutor) -> None:
    api.reply(500, {"errors": ["Thread Threshold Exceeded: the thread threshold of 3 threads has been exceeded."]})
    verdict = await executor.execute(work(attributes={"id": 3}), FreePermit())

    assert (VerdictKind.THROTTLED, 5) == (verdict.kind, verdict.retry_after_seconds)


async def test_a_used_up_budget_is_waited_for_and_nothing_is_sent(api: Autotask, executor: ConnectedExecutor) -> None:
    verdicts = [await executor.execute(work(attributes={"id": 3}), FreePermit()) for _ in range(4)]

    assert [VerdictKind.SUCCEEDED] * 3 == [verdict.kind for verdict in verdicts[:3]]
    assert (VerdictKind.THROTTLED, "source_budget") == (verdicts[3].kind, verdicts[3].error_class)
    assert 3600 == verdicts[3].retry_after_seconds
    assert 3 == sum(one.method == "PATCH" for one in api.asked)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (500, "does not have the adequate permissions to update this entity type.", VerdictKind.REFUSED),
        (403, "no", VerdictKind.REFUSED),
        (500, "Record not found.", VerdictKind.TRY_AGAIN),
        (400, "priority must be one of …", VerdictKind.FAILED),
        (503, "busy", VerdictKind.UNREACHABLE),
    ],
)
async def test_an_answer_is_read_as_its_system_means_it(
    api: Autotask, executor: ConnectedExecutor, status: int, message: str, kind: VerdictKind
) -> None:
    api.reply(status, {"errors": [message, f"secret {SECRET}"]})
    verdict = await executor.execute(work(attributes={"id": 3}), FreePermit())

    assert kind is verdict.kind
    assert SECRET not in (verdict.error or "")


async def test_what_ended_meanwhile_is_found_anew_once_and_fails_no_try(
    api: Autotask, executor: ConnectedExecutor, clock: FakeClock
) -> None:
    verdicts = []
    for status in (401, None, 401, 401):
        await clock.advance(3600)
        if status is not None:
            api.reply(status, {"errors": ["no"]})
        verdicts.append(await executor.execute(work(attributes={"id": 3}), FreePermit()))

    kinds = [VerdictKind.THROTTLED, VerdictKind.SUCCEEDED, VerdictKind.THROTTLED, VerdictKind.REFUSED]
    assert kinds == [verdict.kind for verdict in verdicts]
    assert 3 == sum(path.endswith("/zoneInformation") for path in api.paths())


async def test_what_is_written_shows_among_what_was_asked(executor: ConnectedExecutor, connection: Connection) -> None:
    await executor.execute(work(attributes={"id": 3}), FreePermit())

    assert {("zoneInformation", "ok"): 1, ("Tickets", "ok"): 1} == dict(connection.outcomes)


async def test_an_item_without_what_is_to_be_put_in_fails(api: Autotask, executor: ConnectedExecutor) -> None:
    verdict = await executor.execute(work(attributes={}), FreePermit())

    assert (VerdictKind.FAILED, "variable_missing") == (verdict.kind, verdict.error_class)
    assert not any(one.method == "PATCH" for one in api.asked)


async def test_a_ticket_of_connectwise_is_changed_by_a_json_patch(clock: FakeClock) -> None:
    async with serving(ConnectWise(service__tickets=of_connectwise(9))) as api:
        text = f"""
            [connections.cw]
            preset = "connectwise"
            url = "{api.url}"
            company = "{COMPANY}"
            public_key = "{PUBLIC}"
            private_key = {{ secret = "connectwise" }}
            client_id = "{CLIENT}"
            allow_private_address = true
        """
        settings = Settings.model_validate(tomllib.loads(text), context={"base": Path()})
        made = connections_of(settings, SecretStore({"connectwise": PRIVATE}), clock)["cw"]
        body = [{"op": "replace", "path": "status/id", "value": "${params.status}"}]
        definition = HttpExecutor.model_validate(
            {"type": "http", "connection": "cw", "url": "/service/tickets/{entity.id}",
             "request": {"method": "PATCH", "body": body}}
        )  # fmt: skip
        executor = ConnectedExecutor(definition, ConnectionLink(made, clock), clock=clock, limits=Limits())
        verdict = await executor.execute(work(entity_id="4", params={"status": 17}), FreePermit())
        gone = await executor.execute(work(entity_id="999", params={"status": 17}), FreePermit())
        await executor.close()
        await made.close()

    assert (VerdictKind.SUCCEEDED, VerdictKind.FAILED) == (verdict.kind, gone.kind)
    assert 17 == api.records["/service/tickets"][3]["status"]["id"]


@pytest.mark.parametrize(
    ("name", "changes", "code"),
    [
        ("reclassify", {}, None),
        ("other", {}, "connection_not_allowed"),
        ("reclassify", {"connection": "crm"}, "unknown_connection"),
        ("reclassify", {"url": "https://attacker.example/"}, "invalid_url"),
        ("reclassify", {"url": "/../secret"}, "invalid_url"),
        ("reclassify", {"url": "/Tickets/{entity.id}"}, None),
        ("reclassify", {"url": "/Tickets/{ticket}"}, "unknown_placeholder"),
        ("reclassify", {"url": "/Tickets?x=1"}, "invalid_url"),
        ("reclassify", {"request": {"body": {"id": "${nothing.here}"}}}, "unknown_placeholder"),
    ],
)
def test_only_what_the_file_allows_goes_through_a_connection(
    name: str, changes: dict[str, Any], code: str | None
) -> None:
    definition = WorkflowDefinition.model_validate({"name": name, "executor": {**RECLASSIFY, **changes}})
    faults = definition_faults(definition, DefinitionRules(connections={"psa": ["default/reclassify"]}))

    assert ([] if code is None else [code]) == [fault.code for fault in faults]
