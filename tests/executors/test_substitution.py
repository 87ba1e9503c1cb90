"""What a session's variables may change in a request or a command, and what they may not."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.executing import FreePermit, HurryingClock, work
from tests.support.targets import Target, answering
from tests.support.targets import target as running_target

from backfilld.domain.backfills.verdicts import VerdictKind
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.registry import ExecutorOptions, ExecutorRegistry
from backfilld.executors.secrets import SecretStore

SESSION = {"session_time": "2027-03-01T00:00:00+09:00", "session_date": "2027-03-01"}


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with running_target(answering(200, b"you sent Bearer hush-hush")) as target:
        yield target


def definition(executor: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "w", "project": "p", "executor": executor, "substitutes": True} | more


def of_session(params: dict[str, Any] | None = None, **more: Any) -> Any:
    given = params or {}
    return work(session=SESSION, params=given, variables={**given, **SESSION}, **more)


async def broken() -> Any:
    raise OSError("away")


async def run(stored: dict[str, Any], item: Any, secrets: dict[str, str] | None = None) -> Any:
    async def of_project(name: str) -> dict[str, str]:
        return (secrets or {}) if name == "p" else {}

    registry = ExecutorRegistry(ExecutorOptions(), HurryingClock(), SecretStore(), of_project)
    try:
        return await registry.for_revision(1, stored).execute(item, FreePermit())
    finally:
        await registry.close_all()


async def test_variables_stand_in_path_query_headers_and_content(target: Target) -> None:
    stored = definition(
        {
            "type": "http",
            "url": target.url + "/run/${session_date}?t=${session_time}",
            "headers": {"X-Table": "${table}"},
            "content": {"day": "${session_date}", "n": 1},
        },
        exports={"table": "t_${session_date}"},
    )
    verdict = await run(stored, of_session({"model": "small"}))
    (request,) = target.seen

    assert VerdictKind.SUCCEEDED == verdict.kind
    assert "/run/2027-03-01?t=2027-03-01T00%3A00%3A00%2B09%3A00" == request.path
    assert "t_2027-03-01" == request.headers["x-table"]
    assert {"model": "small", "table": "t_2027-03-01", "day": "2027-03-01", "n": 1} == json.loads(request.body)[
        "params"
    ]


@pytest.mark.parametrize("value", ["../../admin", "a?b=c", "a#b", "a b: y", "%2e%2e"])
async def test_a_variable_stays_within_its_part_of_the_url(target: Target, value: str) -> None:
    stored = definition({"type": "http", "url": target.url + "/run/${x}/end"})
    await run(stored, of_session({"x": value}))
    (request,) = target.seen

    assert request.path.startswith("/run/")
    assert request.path.endswith("/end")
    assert 3 == request.path.count("/")
    assert "?" not in request.path


@pytest.mark.parametrize("value", [".", ".."])
async def test_a_variable_never_leads_out_of_its_folder(target: Target, value: str) -> None:
    verdict = await run(definition({"type": "http", "url": target.url + "/a/${x}/b"}), of_session({"x": value}))

    assert (VerdictKind.FAILED, "variable_unfit") == (verdict.kind, verdict.error_class)
    assert [] == target.seen


async def test_a_variable_never_ends_a_header(target: Target) -> None:
    stored = definition({"type": "http", "url": target.url, "headers": {"X-A": "${x}"}})
    verdict = await run(stored, of_session({"x": "a\r\nX-B: c"}))

    assert (VerdictKind.FAILED, "variable_unfit") == (verdict.kind, verdict.error_class)
    assert [] == target.seen


async def test_a_missing_variable_fails_the_item_before_its_start(target: Target) -> None:
    verdict = await run(definition({"type": "http", "url": target.url + "/${nothing}"}), of_session())

    assert (VerdictKind.FAILED, "variable_missing") == (verdict.kind, verdict.error_class)
    assert "${nothing}" in verdict.error
    assert [] == target.seen


async def test_a_project_secret_is_sent_and_hidden_in_what_comes_back(target: Target) -> None:
    stored = definition({"type": "http", "url": target.url, "headers": {"Authorization": {"project_secret": "token"}}})
    verdict = await run(stored, of_session(wants_log=True), {"token": "Bearer hush-hush"})
    (request,) = target.seen

    assert "Bearer hush-hush" == request.headers["authorization"]
    assert "HTTP 200\nyou sent [secret]" == verdict.log


async def test_without_the_project_secret_the_work_holds(target: Target) -> None:
    stored = definition({"type": "http", "url": target.url, "headers": {"Authorization": {"project_secret": "token"}}})
    verdict = await run(stored, of_session())

    assert (VerdictKind.REFUSED, "secret_missing") == (verdict.kind, verdict.error_class)
    assert [] == target.seen


@pytest.mark.parametrize(
    ("trouble", "error_class", "said"),
    [
        (asyncio.Event().wait, "connect_failed", "within 0.05 s"),
        (broken, "secrets_unreachable", "the secrets of the project cannot be read: OSError: away"),
    ],
)
async def test_project_secrets_that_cannot_be_had_are_waited_for_within_the_time_of_the_try(
    target: Target, trouble: Any, error_class: str, said: str
) -> None:
    async def of_project(name: str) -> Any:
        return await trouble()

    stored = definition({"type": "http", "url": target.url, "headers": {"Authorization": {"project_secret": "token"}}})
    registry = ExecutorRegistry(ExecutorOptions(), HurryingClock(), SecretStore(), of_project)
    verdict = await registry.for_revision(1, stored).execute(of_session(timeout_seconds=0.05), FreePermit())

    assert (VerdictKind.UNREACHABLE, error_class) == (verdict.kind, verdict.error_class)
    assert said in verdict.error
    assert [] == target.seen


SHELL = ["/bin/sh", "-c"]


async def test_a_shell_gets_variables_in_its_text_and_in_its_environment() -> None:
    text = 'echo ${session_date} "$session_time" "$table"; echo oops >&2'
    stored = definition({"type": "command", "argv": [*SHELL, text]}, exports={"table": "t_${session_date}"})
    verdict = await run(stored, of_session(wants_log=True))

    assert VerdictKind.SUCCEEDED == verdict.kind
    assert "2027-03-01 2027-03-01T00:00:00+09:00 t_2027-03-01\n--- standard error ---\noops\n" == verdict.log


@pytest.mark.parametrize("value", ["a; touch /tmp/x", "$(id)", "`id`", "a|b", "a'b", 'a"b', "a\nb", "~", "*"])
async def test_a_param_never_becomes_a_command(value: str) -> None:
    stored = definition({"type": "command", "argv": [*SHELL, "echo ${x}"]})
    verdict = await run(stored, of_session({"x": value}))

    assert (VerdictKind.FAILED, "variable_unfit") == (verdict.kind, verdict.error_class)


@pytest.mark.parametrize("text", ["echo ${y}", "echo ${z.deep}"])
async def test_a_param_never_becomes_a_command_by_way_of_an_export(text: str) -> None:
    stored = definition(
        {"type": "command", "argv": [*SHELL, text]},
        exports={"y": "is ${x}", "z": {"deep": "${y}"}, "session_id": "$(id)"},
    )
    verdict = await run(stored, of_session({"x": "a; id"}))

    assert (VerdictKind.FAILED, "variable_unfit") == (verdict.kind, verdict.error_class)


async def test_an_export_stands_in_a_shell_as_it_was_written() -> None:
    stored = definition(
        {"type": "command", "argv": [*SHELL, "${say} ${unused_too}"]},
        exports={"say": "echo '${session_date}' | tr 2 3;", "unused_too": "true", "other": "${x}"},
    )
    verdict = await run(stored, of_session({"x": "$(id)"}, wants_log=True))

    assert "3037-03-01\n" == verdict.log


async def test_an_entity_finds_its_params_as_variables() -> None:
    item = work(params={"model": "small"})

    assert "small" == (await run(definition({"type": "echo", "message": "${model}"}), item)).message


async def test_a_param_reaches_a_shell_as_a_variable_whatever_it_holds() -> None:
    stored = definition({"type": "command", "argv": [*SHELL, 'printf %s "$x"']})
    verdict = await run(stored, of_session({"x": "a; $(id) 'b'", "PATH": "/nowhere"}, wants_log=True))

    assert "a; $(id) 'b'" == verdict.log


async def test_an_echo_writes_into_the_log_and_succeeds() -> None:
    verdict = await run(definition({"type": "echo", "message": "hi ${session_date}"}), of_session(wants_log=True))

    assert (VerdictKind.SUCCEEDED, "hi 2027-03-01", "hi 2027-03-01\n") == (verdict.kind, verdict.message, verdict.log)


async def test_nothing_is_put_in_where_a_definition_does_not_ask_for_it(target: Target) -> None:
    stored = definition({"type": "echo", "message": "${session_date}"}) | {"substitutes": False}

    assert "${session_date}" == (await run(stored, of_session())).message


async def test_a_long_log_keeps_its_beginning_and_its_end() -> None:
    text = "echo first; yes xxx | head -c 300000; echo; echo last"
    verdict = await run(definition({"type": "command", "argv": [*SHELL, text]}), of_session(wants_log=True))

    assert verdict.log.startswith("first\nxxx")
    assert verdict.log.endswith("xxx\n\nlast\n")
    assert len(verdict.log.encode()) <= 65_536


@pytest.mark.parametrize(
    "executor",
    [
        {"type": "http", "url": "http://127.0.0.1:1/${nothing}"},
        {"type": "echo", "message": "${nothing}"},
        {"type": "command", "argv": ["/bin/echo", "${nothing}"]},
        {"type": "http", "url": "http://127.0.0.1:1/"},
        {"type": "command", "argv": ["/nowhere/at/all"]},
    ],
)
async def test_what_never_came_to_run_has_its_reason_in_the_log(executor: dict[str, Any]) -> None:
    verdict = await run(definition(executor), of_session(wants_log=True))

    assert verdict.kind is not VerdictKind.SUCCEEDED
    assert f"{verdict.error}\n" == verdict.log


async def test_no_log_is_kept_where_nobody_wants_it(target: Target) -> None:
    verdict = await run(definition({"type": "http", "url": target.url}), of_session())

    assert verdict.log is None


@pytest.mark.parametrize("url", ["http://${host}/", "${scheme}://h/", "http://h:${port}/", "http://a${x}b/c"])
def test_the_origin_of_a_url_is_fixed(url: str) -> None:
    found = WorkflowDefinition.model_validate(definition({"type": "http", "url": url}))
    faults = definition_faults(found, DefinitionRules())

    assert ("/executor/url", "invalid_url") in {(fault.path, fault.code) for fault in faults}


def test_expressions_are_faults_with_their_places() -> None:
    found = WorkflowDefinition.model_validate(
        definition(
            {"type": "http", "url": "http://h/${a+1}", "headers": {"X": "${f()}"}, "content": {"c": ["${x y}"]}},
            exports={"e": {"f": "${-}"}},
        )
    )
    paths = {fault.path for fault in definition_faults(found, DefinitionRules()) if fault.code == "invalid_placeholder"}

    assert {"/executor/url", "/executor/headers/X", "/executor/content/c", "/exports/e"} == paths
