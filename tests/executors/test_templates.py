"""Engines with a REST API, by templates: one run per try, whatever gets lost. The recipes are those of the docs."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fake_engines import airflow, kubernetes
from tests.fake_engines.airflow import Airflow
from tests.fake_engines.kubernetes import Kubernetes
from tests.fake_psa.serving import serving
from tests.support.executing import FreePermit, HurryingClock, ShutPermit, work
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import VerdictKind
from backfilld.executors.base import Executor, NotPermitted
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.registry import ExecutorOptions, ExecutorRegistry
from backfilld.executors.secrets import SecretStore

DOCS = (Path(__file__).parents[2] / "docs" / "engines.md").read_text()
RECIPES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCS, re.DOTALL)]
SECRETS = {"airflow": airflow.TOKEN, "kubernetes": kubernetes.TOKEN}
KEY = work().idempotency_key


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Executor]]:
    registries: list[ExecutorRegistry] = []

    def made(name: str, url: str, clock: Any = None, **changes: Any) -> Executor:
        recipe = next(one for one in RECIPES if one["name"] == name)
        text = re.sub(r"https://(airflow.example.com|kubernetes.default.svc)", url, json.dumps(recipe))
        definition = json.loads(text)
        definition["executor"] |= changes
        registries.append(ExecutorRegistry(ExecutorOptions(), clock or HurryingClock(), SecretStore(SECRETS)))
        return registries[-1].for_revision(1, definition)

    yield made
    for registry in registries:
        await registry.close_all()


@pytest.fixture
async def there() -> AsyncIterator[Airflow]:
    async with serving(Airflow()) as fake:
        assert isinstance(fake, Airflow)

        yield fake


def test_the_recipes_of_the_docs_are_sound() -> None:
    definitions = [WorkflowDefinition.model_validate(recipe) for recipe in RECIPES]
    faults = [definition_faults(one, DefinitionRules(secrets=SECRETS)) for one in definitions]

    assert [[], []] == faults


async def test_airflow_runs_a_dag_and_its_end_is_the_items(make: Any, there: Airflow) -> None:
    permit = FreePermit()
    verdict = await make("enrich", there.url).execute(work(), permit)
    sent = there.asked[0]

    assert (VerdictKind.SUCCEEDED, 1) == (verdict.kind, permit.started)
    assert {"dag_run_id": KEY, "logical_date": None, "conf": {"ticket": "T-1", "rehearsal": False}} == sent.json
    assert (KEY, [KEY]) == (sent.headers["Idempotency-Key"], there.starts)


async def test_kubernetes_runs_a_job_and_its_conditions_say_how_it_ended(make: Any) -> None:
    async with serving(Kubernetes(ends=["Complete", "Failed"])) as there:
        executor = make("render", there.url)
        first = await executor.execute(work(), FreePermit())
        again = await executor.execute(work(), FreePermit())
        second = await executor.execute(work(idempotency_key="bf_2"), FreePermit())

        assert [VerdictKind.SUCCEEDED] * 2 == [first.kind, again.kind]
        assert (VerdictKind.TRY_AGAIN, "target_failed", "the pods said so") == (
            second.kind, second.error_class, second.error,
        )  # fmt: skip
        assert 2 == len(there.starts)
        assert all(re.fullmatch(r"bf-[0-9a-f]{32}", name) for name in there.starts)


async def test_a_start_whose_answer_was_lost_is_found_and_not_repeated(make: Any, there: Airflow) -> None:
    there.loses = 1
    permit = FreePermit()
    verdict = await make("enrich", there.url).execute(work(), permit)

    assert (VerdictKind.SUCCEEDED, [KEY], 1) == (verdict.kind, there.starts, permit.started)


async def test_where_no_answer_comes_the_item_waits_at_no_cost_and_the_next_try_reads_what_there_is(
    make: Any, there: Airflow
) -> None:
    there.loses = 6
    executor = make("enrich", there.url)
    first = await executor.execute(work(), FreePermit())
    second = await executor.execute(work(attempt=2), FreePermit())

    assert (VerdictKind.UNREACHABLE, VerdictKind.SUCCEEDED) == (first.kind, second.kind)
    assert [KEY] == there.starts


@pytest.mark.parametrize(
    ("state", "expected", "starts"),
    [
        ("running", VerdictKind.SUCCEEDED, []),  # is waited for
        ("success", VerdictKind.SUCCEEDED, []),  # is read
        ("failed", VerdictKind.SUCCEEDED, [f"{KEY}-2"]),  # has had its try
        (None, VerdictKind.SUCCEEDED, [KEY]),  # never came to be
    ],
)
async def test_a_later_try_first_asks_for_the_run_of_the_earlier_one(
    make: Any, there: Airflow, state: str | None, expected: VerdictKind, starts: list[str]
) -> None:
    if state is not None:
        there.runs[KEY] = {"dag_run_id": KEY, "state": state, "end": "success", "left": 2}
    permit = FreePermit()
    verdict = await make("enrich", there.url).execute(work(attempt=2), permit)

    assert (expected, starts) == (verdict.kind, there.starts)
    assert (state != "success") == permit.started


async def test_three_tries_that_fail_are_three_runs_and_a_repeat_of_one_is_none(make: Any, there: Airflow) -> None:
    there.ends = ["failed"]
    executor = make("enrich", there.url)
    verdicts = [await executor.execute(work(attempt=attempt), FreePermit()) for attempt in (1, 1, 2, 2, 3, 3)]

    assert {VerdictKind.TRY_AGAIN} == {verdict.kind for verdict in verdicts}
    assert [KEY, f"{KEY}-2", f"{KEY}-3"] == there.starts


async def test_many_tries_that_never_came_to_a_start_change_no_name(make: Any, there: Airflow) -> None:
    await make("enrich", there.url).execute(work(attempt=17), FreePermit())

    assert [KEY] == there.starts


@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [
        (401, VerdictKind.REFUSED, "http_401"),
        (422, VerdictKind.FAILED, "http_422"),
        (429, VerdictKind.THROTTLED, "http_429"),
        (500, VerdictKind.TRY_AGAIN, "http_500"),
        (503, VerdictKind.UNREACHABLE, "http_503"),
    ],
)
async def test_other_answers_to_a_start_mean_what_they_mean_everywhere(
    make: Any, there: Airflow, status: int, kind: VerdictKind, word: str
) -> None:
    there.reply(status, {"detail": "no"})
    verdict = await make("enrich", there.url).execute(work(), FreePermit())

    assert (kind, word, []) == (verdict.kind, verdict.error_class, there.starts)


async def test_asking_for_earlier_runs_in_vain_costs_no_try(make: Any) -> None:
    verdict = await make("enrich", "http://127.0.0.1:1").execute(work(attempt=2), FreePermit())

    assert VerdictKind.UNREACHABLE is verdict.kind


async def test_a_closed_gate_starts_nothing(make: Any, there: Airflow) -> None:
    for attempt in (1, 2):
        with pytest.raises(NotPermitted):
            await make("enrich", there.url).execute(work(attempt=attempt), ShutPermit())

    assert [] == there.starts


async def test_a_run_that_nobody_wants_any_more_is_cancelled_there(make: Any, there: Airflow) -> None:
    there.ends, there.looks = ["failed", "success"], 1
    executor = make("enrich", there.url)
    await executor.execute(work(), FreePermit())
    there.looks = 10**9
    second = work(attempt=2)
    trying = asyncio.create_task(executor.execute(second, FreePermit()))
    await eventually(lambda: f"{KEY}-2" in there.runs)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    await executor.stop(second)

    assert "failed" == there.runs[f"{KEY}-2"]["state"]


async def test_a_job_that_nobody_wants_any_more_is_deleted_and_one_that_is_gone_is_no_trouble(make: Any) -> None:
    async with serving(Kubernetes()) as there:
        executor = make("render", there.url)
        await executor.execute(work(), FreePermit())
        await executor.stop(work())
        await executor.stop(work())

        assert [(there.starts[0], "Background")] == there.deleted


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"request": {"body": {"id": "${nothing}"}}}, "/executor/request/body", "unknown_placeholder"),
        ({"request": {"body": {"id": "${1 + 1}"}}}, "/executor/request/body", "invalid_placeholder"),
        ({"url": "https://a.example/{nothing}"}, "/executor/url", "unknown_placeholder"),
        ({"url": "https://{entity.id}.example/"}, "/executor/url", "invalid_url"),
        ({"cancel": {"url": "https://a.example/{nothing}"}}, "/executor/cancel/url", "unknown_placeholder"),
        ({"cancel": {"url": "http://169.254.169.254/"}}, "/executor/cancel/url", "address_not_allowed"),
        ({"poll": {"url": "https://a.example/{entity.id}"}}, "/executor/poll/url", "unknown_run"),
    ],
)
def test_a_template_that_would_not_work_is_refused(changes: dict[str, Any], path: str, code: str) -> None:
    definition = WorkflowDefinition.model_validate({**RECIPES[0], "executor": {**RECIPES[0]["executor"], **changes}})
    faults = definition_faults(definition, DefinitionRules())

    assert (path, code) in [(fault.path, fault.code) for fault in faults]


@pytest.mark.parametrize(
    "changes",
    [
        {"request": None},
        {"poll": {"status": "state"}},
        {"content": {"model": "small"}},
        {"attach_on": [200]},
        {"cancel": {"url": "https://a.example/", "method": "GET"}},
    ],
)
def test_keys_that_need_each_other_are_told(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"attach_on|content|cancel|method"):
        WorkflowDefinition.model_validate({**RECIPES[0], "executor": {**RECIPES[0]["executor"], **changes}})
