"""Executors by revision, and secrets by name."""

import pytest
from tests.support.executing import FreePermit, HurryingClock, work
from tests.support.targets import answering, target

from backfilld.executors.registry import ExecutorOptions, ExecutorRegistry
from backfilld.executors.secrets import Secret, SecretMissing, SecretStore


def registry(secrets=None, options=None):
    return ExecutorRegistry(options or ExecutorOptions(), HurryingClock(), SecretStore(secrets))


def workflow(url="http://127.0.0.1:1", **keys):
    return {"name": "enrich", "executor": {"type": "http", "url": url, **keys}}


def test_a_revision_has_one_executor():
    there = registry()

    assert there.for_revision(1, workflow()) is there.for_revision(1, workflow())
    assert there.for_revision(1, workflow()) is not there.for_revision(2, workflow())


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.example.com/A?b", "https://api.example.com"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080"),
        ("http://[::1]:80/x", "http://[::1]"),
    ],
)
def test_the_target_is_the_origin(url, origin):
    assert origin == registry().for_revision(1, workflow(url)).target


async def test_a_command_is_run_by_the_program_it_names():
    stored = {"name": "x", "executor": {"type": "command", "argv": ["true"]}}
    executor = registry().for_revision(12, stored)
    verdict = await executor.execute(work(), FreePermit())

    assert ("command:true@12", "succeeded") == (executor.target, verdict.kind)


async def test_a_missing_secret_holds_before_anything_is_sent():
    async with target(answering()) as there:
        permit = FreePermit()
        executors = registry()
        executor = executors.for_revision(1, workflow(there.url, headers={"Authorization": {"secret": "token"}}))
        verdict = await executor.execute(work(), permit)

        assert ("refused", "secret_missing") == (verdict.kind, verdict.error_class)
        assert "'token'" in verdict.error
        assert (0, []) == (permit.started, there.seen)


async def test_a_secret_that_comes_with_a_reload_is_used():
    async with target(answering()) as there:
        executors = registry()
        executor = executors.for_revision(1, workflow(there.url, headers={"Authorization": {"secret": "token"}}))
        await executor.execute(work(), FreePermit())
        executors.reload({"token": "abc"})
        verdict = await executor.execute(work(), FreePermit())
        await executors.close_all()

        assert ("succeeded", "abc") == (verdict.kind, there.seen[0].headers["authorization"])


@pytest.mark.parametrize(("name", "text"), [("token", "a\0b"), ("token", "ä"), ("signing", "whsec_???")])
async def test_an_unusable_secret_holds_without_being_repeated(name, text):
    keys = {"headers": {"Authorization": {"secret": "token"}}, "secret": {"secret": "signing"}}
    executors = registry({"token": "x", "signing": "y"} | {name: text})
    verdict = await executors.for_revision(1, workflow(**keys)).execute(work(), FreePermit())

    assert ("refused", "secret_unusable") == (verdict.kind, verdict.error_class)
    assert text not in verdict.error


@pytest.mark.parametrize(
    ("stored", "error_class"),
    [
        ({"name": "x"}, "definition_invalid"),
        ({"name": "x", "executor": {"type": "command", "argv": ["true"], "cwd": "here"}}, "invalid_path"),
        (workflow("http://169.254.169.254/"), "address_not_allowed"),
        (workflow("http://user:pass@example.com/"), "invalid_url"),
    ],
)
async def test_a_revision_that_cannot_be_worked_with_holds(stored, error_class):
    permit = FreePermit()
    verdict = await registry().for_revision(1, stored).execute(work(), permit)

    assert ("refused", error_class, 0) == (verdict.kind, verdict.error_class, permit.started)
    assert "pass@" not in verdict.error


async def test_new_options_make_new_executors():
    async with target(answering()) as there:
        executors = registry(options=ExecutorOptions(allowed_hosts=("other.example.com",)))
        before = await executors.for_revision(1, workflow(there.url)).execute(work(), FreePermit())
        executors.reload({}, ExecutorOptions())
        after = await executors.for_revision(1, workflow(there.url)).execute(work(), FreePermit())
        await executors.close_all()

        assert ("refused", "succeeded") == (before.kind, after.kind)


def test_a_secret_may_have_two_values_for_a_while():
    store = SecretStore({"signing": "new\n\n  old \n"})

    assert ("new", "old") == store.get("signing").reveal()
    assert "new" == store.get("signing").present


@pytest.mark.parametrize("texts", [{}, {"signing": ""}, {"signing": " \n"}])
def test_a_secret_that_is_absent_or_empty_is_missing(texts):
    with pytest.raises(SecretMissing):
        SecretStore(texts).get("signing")


def test_no_secret_shows_in_a_representation():
    store = SecretStore({"signing": "hunter2"})

    assert "hunter2" not in f"{store!r} {store} {store.get('signing')!r} {Secret('hunter2')}"
    assert frozenset({"signing"}) == store.names
