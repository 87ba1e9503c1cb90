"""Targets that ask an API by themselves, out of the budget of its connection."""

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.clock import FakeClock
from tests.support.executing import FreePermit, ShutPermit, work

from backfilld.app.sources.connections import connections_of
from backfilld.app.sources.links import ConnectionLink
from backfilld.config.model import Settings
from backfilld.domain.backfills.verdicts import VerdictKind
from backfilld.executors.base import NotPermitted
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.registry import ExecutorOptions, ExecutorRegistry
from backfilld.executors.secrets import SecretStore
from backfilld.sources.base import SourceBusy
from backfilld.sources.http.asking.budget import Budget, BudgetLimits
from backfilld.sources.http.asking.connection import Connection
from backfilld.sources.http.asking.rates import Purpose

ECHO = {"type": "echo", "message": "done"}


@pytest.fixture
async def connection(clock: FakeClock) -> AsyncIterator[Connection]:
    async with serving(GenericApi([{"id": 1}])) as api:
        text = f'[connections.psa]\nurl = "{api.url}"\nrequests_per_hour = 5\nallow_private_address = true'
        settings = Settings.model_validate(tomllib.loads(text), context={"base": Path()})
        made = connections_of(settings, SecretStore({}), clock)["psa"]
        yield made
        await made.close()


def executor_of(connection: Connection, clock: FakeClock, requests: int = 2) -> Any:
    options = ExecutorOptions(links={"psa": ConnectionLink(connection, clock)})
    definition = {"name": "triage", "executor": ECHO, "spends": {"connection": "psa", "requests": requests}}
    return ExecutorRegistry(options, clock, SecretStore({})).for_revision(1, definition)


async def test_each_start_takes_what_its_target_will_ask(connection: Connection, clock: FakeClock) -> None:
    executor = executor_of(connection, clock)
    verdicts = [await executor.execute(work(), FreePermit()) for _ in range(3)]
    used = connection.usage.used
    await clock.advance(verdicts[2].retry_after_seconds)
    again = await executor.execute(work(), FreePermit())

    assert [VerdictKind.SUCCEEDED] * 2 == [verdict.kind for verdict in verdicts[:2]]
    assert (VerdictKind.THROTTLED, "source_budget", 3600) == (
        verdicts[2].kind, verdicts[2].error_class, verdicts[2].retry_after_seconds
    )  # fmt: skip
    assert "psa: the 5 requests an hour that it may take are used up" == verdicts[2].error
    assert 4 == used
    assert VerdictKind.SUCCEEDED is again.kind


async def test_what_does_not_start_spends_nothing(connection: Connection, clock: FakeClock) -> None:
    executor = executor_of(connection, clock)
    for _ in range(5):
        with pytest.raises(NotPermitted):
            await executor.execute(work(), ShutPermit())

    assert 0 == connection.usage.used
    assert {} == connection.budget.asked_since_written()


async def test_more_than_a_limit_allows_at_all_waits_for_the_whole_of_it(
    connection: Connection, clock: FakeClock
) -> None:
    executor = executor_of(connection, clock, 9)
    verdicts = [(await executor.execute(work(), FreePermit())).kind for _ in range(2)]

    assert [VerdictKind.SUCCEEDED, VerdictKind.THROTTLED] == verdicts


async def test_planning_leaves_room_for_what_waits_to_be_spent(clock: FakeClock) -> None:
    budget = Budget("psa", BudgetLimits({60.0: 4}), clock)
    for _ in range(4):
        await budget.take(Purpose.PLAN, "x")
        budget.give_back("x")
        await clock.advance(10)
    with pytest.raises(SourceBusy):
        budget.spend(3)
    await clock.advance(30)  # two have left the minute
    with pytest.raises(SourceBusy):
        await budget.take(Purpose.PLAN, "x")
    await clock.advance(10)
    budget.spend(3)

    assert 4 == budget.usage().used


@pytest.mark.parametrize(
    ("spends", "code"),
    [({"connection": "psa", "requests": 2}, None), ({"connection": "pas"}, "unknown_connection")],
)
def test_a_budget_that_there_is_not_is_a_fault(spends: dict[str, Any], code: str | None) -> None:
    definition = WorkflowDefinition.model_validate({"name": "x", "executor": ECHO, "spends": spends})
    faults = definition_faults(definition, DefinitionRules(budgets=("psa",)))

    assert ([] if code is None else [code]) == [fault.code for fault in faults]
