"""The commands against a real daemon on a real database, with a target that behaves as the demo's does."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from tests.support import nursery
from tests.support.nursery import Child
from tests.support.waiting import eventually

from backfilld.cli.demo.folder import clean_environment
from backfilld.client import ApiError, Client

CONFIG = """\
[server]
port = 0
[state]
directory = "{folder}/state"
[database]
dsn = "{dsn}"
[engine]
shutdown_grace_seconds = 1.0
[secrets.demo]
value = "whsec_c2VjcmV0IG9mIHRoZSBkZW1v"
[[workflows]]
name = "classify"
[workflows.executor]
type = "http"
url = "{target}/classify"
secret = "demo"
"""
CSV = "id,subject,priority\n" + "".join(f"{100_000 + number * 7},VPN drops,{1 + number % 3}\n" for number in range(60))


@dataclass(frozen=True)
class Running:
    """A daemon, and who may ask it."""

    url: str
    config: str
    tickets: str


def start(folder: Path, name: str, *arguments: str) -> Child:
    with (folder / f"{name}.log").open("wb") as log:
        return nursery.start(*arguments, environment=clean_environment(os.environ), output=log)


async def written(file: Path, process: Child, log: Path) -> str:
    def look() -> str:
        assert process.returncode is None, log.read_text()
        return file.read_text().strip() if file.exists() else ""

    return await eventually(look, seconds=30)


async def has_workflows(dsn: str) -> bool:
    """Whether the daemon has read the workflows of its configuration."""
    connection = await asyncpg.connect(dsn)
    try:
        exists = await connection.fetchval("SELECT to_regclass('workflows') IS NOT NULL")
        return exists and await connection.fetchval("SELECT count(*) > 0 FROM workflows")
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def running(databases, tmp_path_factory) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "secret").write_text("whsec_c2VjcmV0IG9mIHRoZSBkZW1v")
    (folder / "tickets.csv").write_text(CSV)
    async with databases.database("template1") as dsn:
        address = folder / "target-address"
        target = start(
            folder, "target", "backfilld.cli.demo.target", "--address-file", str(address),
            "--secret-file", str(folder / "secret"),
        )  # fmt: skip
        url = await written(address, target, folder / "target.log")
        config = folder / "backfilld.toml"
        config.touch(mode=0o600)  # it holds a secret
        config.write_text(CONFIG.format(folder=folder, dsn=dsn, target=url))
        daemon = start(folder, "daemon", "backfilld", "serve", "--config", str(config))
        try:
            url = await written(folder / "state" / "address", daemon, folder / "daemon.log")
            await eventually(lambda: has_workflows(dsn), seconds=30)
            yield Running(url, str(config), str(folder / "tickets.csv"))
        finally:
            for process in (daemon, target):
                os.kill(process.pid, signal.SIGTERM)
                async with asyncio.timeout(20):
                    assert 0 == await process.wait(), (folder / "daemon.log").read_text()


@pytest.fixture
async def ask(backfilld, running, monkeypatch):
    """Runs commands as an operator, who has tickets."""
    monkeypatch.setenv("BACKFILLD_URL", running.url)
    made = await backfilld("keys", "create", "--config", running.config, "--name", "t", "--role", "admin", "--json")
    assert 0 == made.code, made.err
    monkeypatch.setenv("BACKFILLD_API_KEY", made.json["key"])
    loaded = await backfilld("entities", "import", running.tickets, "--entity-type", "ticket", "--json")
    assert 0 == loaded.code, loaded.err
    return backfilld


def plan(*more: str) -> tuple[str, ...]:
    return (
        "--entity-type", "ticket", "--workflow", "classify", "--window", "daily 00:00-24:00", "--timezone", "UTC",
        "--max-in-flight", "10", "--reprocess", "completed", "--filter", '{"priority": [1, 2]}', *more,
    )  # fmt: skip


async def test_a_backfill_from_the_first_key_to_the_rerun(ask):
    seen = await ask("workflows", "list")
    created = await ask("backfills", "create", *plan("--name", "all of it", "--max-attempts", "1", "--watch"))
    listed = await ask("backfills", "list", "--json")
    backfill = listed.json["backfills"][0]
    shown = await ask("backfills", "show", backfill["id"])
    errors = await ask("backfills", "errors", backfill["id"], "--json")
    again = await ask("backfills", "rerun-failed", backfill["id"], "--watch", "--json")

    assert "classify" in seen.out
    assert 5 == created.code, created.out + created.err
    assert "completed with failures" in created.out
    assert (40, "all of it") == (backfill["processed_count"], backfill["name"])
    assert "40/40 (100%)" in shown.out
    assert backfill["failed_count"] == sum(error["count"] for error in errors.json["errors"])
    assert again.code in (0, 5)


async def test_a_plan_that_waits_for_approval_is_steered(ask):
    created = await ask("backfills", "create", *plan("--start", "when_approved", "--json"))
    id = created.json["backfill"]["id"]
    second = await ask("backfills", "create", *plan())
    paused = await ask("backfills", "pause", id, "--reason", "lunch")
    cancelled = await ask("backfills", "cancel", id, "--json")
    watched = await ask("backfills", "watch", id)
    resumed = await ask("backfills", "resume", id)

    assert 4 == second.code
    assert id in second.err
    assert 0 == paused.code, paused.err
    assert 0 == cancelled.code, cancelled.err
    assert 6 == watched.code, watched.out + watched.err
    assert 4 == resumed.code


async def test_a_preview_and_a_check_create_nothing(ask):
    before = await ask("backfills", "list", "--json")
    preview = await ask("backfills", "preview", *plan())
    verified = await ask("backfills", "verify", "--entity-type", "ticket", "--filter", '{"subject": "?"}')
    after = await ask("backfills", "list", "--json")

    assert 0 == preview.code, preview.err
    assert "40" in preview.out
    assert "openings" in preview.out
    assert 9 == verified.code, verified.err
    assert "no entity of type ticket matches" in verified.out
    assert len(before.json["backfills"]) == len(after.json["backfills"])


async def test_the_daemons_faults_reach_the_terminal(ask):
    ended = await ask("backfills", "create", *plan("--timezone", "Europe/Berln", "--max-in-flight", "99"))

    assert 2 == ended.code
    assert "/max_in_flight" in ended.err
    assert "Europe/Berlin" in ended.err


async def test_the_same_idempotency_key_is_the_same_backfill(ask):
    first = await ask("backfills", "create", *plan("--idempotency-key", "k1", "--json"))
    second = await ask("backfills", "create", *plan("--idempotency-key", "k1", "--json"))
    await ask("backfills", "watch", first.json["backfill"]["id"])

    assert 0 == second.code, second.err
    assert first.json["backfill"]["id"] == second.json["backfill"]["id"]


async def test_a_key_that_may_only_look_may_not_create(ask, running):
    made = await ask("keys", "create", "--config", running.config, "--name", "v", "--role", "viewer", "--json")
    ended = await ask("backfills", "create", *plan(), "--api-key", made.json["key"])

    assert 8 == ended.code


async def test_a_revoked_key_opens_nothing(ask, running):
    made = await ask("keys", "create", "--config", running.config, "--name", "r", "--role", "viewer", "--json")
    await ask("keys", "revoke", made.json["id"], "--config", running.config)
    ended = await ask("workflows", "list", "--api-key", made.json["key"])

    assert 8 == ended.code


@pytest.mark.parametrize("key", ["neo_sk_live_" + "x" * 43, ""])
async def test_an_unknown_caller_may_not_load_anything(ask, running, key):
    ended = await ask("entities", "import", running.tickets, "--entity-type", "ticket", "--api-key", key)

    assert 8 == ended.code, ended.err
    assert "backfilld keys create" in ended.err


async def nothing() -> AsyncIterator[bytes]:
    yield b""


CALLS = (
    lambda client: client.create_backfill({}),
    lambda client: client.preview_backfill({}),
    lambda client: client.verify_filter("ticket", {}),
    lambda client: client.list_backfills(),
    lambda client: client.get_backfill("A"),
    lambda client: client.explain_backfill("A"),
    lambda client: client.list_progress("A"),
    lambda client: client.get_attributes("1", "2"),
    lambda client: client.list_errors("A"),
    lambda client: anext(client.report("A")),
    lambda client: client.edit_backfill("A", {}),
    lambda client: client.override_windows("A", "2030-01-01T00:00:00Z"),
    lambda client: client.end_override("A"),
    lambda client: client.clone_backfill("A"),
    lambda client: client.try_now("A"),
    lambda client: client.rerun("A", {"status": ["failed"]}),
    lambda client: client.list_notifications(),
    lambda client: client.test_notification("ops"),
    lambda client: client.list_deliveries("ops"),
    lambda client: client.resend_delivery("ops", "A"),
    lambda client: client.resend_delivery("ops"),
    lambda client: client.list_targets(),
    lambda client: client.ask_target("https://crm.example"),
    lambda client: client.get_system(),
    lambda client: client.delete_backfill("A"),
    lambda client: client.list_sources(),
    lambda client: client.list_engines(),
    lambda client: client.list_mirrors(),
    lambda client: client.list_engine_schedules("wf"),
    lambda client: client.create_mirror("wf", "reports", "daily"),
    lambda client: client.delete_mirror(1),
    lambda client: client.test_engine("wf"),
    lambda client: client.test_source("ticket"),
    lambda client: client.list_brakes(),
    lambda client: client.test_brake("lag"),
    lambda client: client.reset_brake("lag"),
    lambda client: client.release_brake("lag", until="2030-01-01T00:00:00Z"),
    lambda client: client.pause_backfill("A"),
    lambda client: client.resume_backfill("A"),
    lambda client: client.cancel_backfill("A"),
    lambda client: client.rerun_failed("A"),
    lambda client: client.list_timeline("A"),
    lambda client: client.list_ledger("A"),
    lambda client: client.get_ledger_item("A", "B"),
    lambda client: anext(client.follow("A")),
    lambda client: client.list_entity_types(),
    lambda client: client.list_fields("ticket"),
    lambda client: client.upload_entities("A", nothing()),
    lambda client: client.list_entities("A"),
    lambda client: client.get_entity("A", "B"),
    lambda client: client.delete_entity("A", "B"),
    lambda client: client.list_workflows(),
    lambda client: client.create_workflow({}),
    lambda client: client.get_workflow(1),
    lambda client: client.edit_workflow(1, {}),
    lambda client: client.delete_workflow(1),
    lambda client: client.preview_windows({}),
    lambda client: client.preview_schedule({}),
    lambda client: client.list_api_keys(),
    lambda client: client.revoke_api_key("A"),
    lambda client: client.stop_all(),
    lambda client: client.start_all(),
    lambda client: client.list_audit_log(),
)
FOR_PERSONS = {("POST", "/public-api/api-keys")}  # whom a client with a key is not


async def test_the_client_speaks_every_route_of_the_daemon_and_no_other(running, daemon):
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/openapi.json") as response:
        document = await response.json()
    routes = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        if path.startswith("/public-api/")
        for method, operation in methods.items()
        if "Not yet" not in operation["tags"]
    }
    async with Client(daemon.url) as client:
        for call in CALLS:
            with contextlib.suppress(ApiError):  # the stub knows none of them
                await call(client)
    spoken = {
        route
        for request in daemon.received
        for route in routes
        if route[0] == request.method and re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", route[1]), request.path)
    }

    assert routes - FOR_PERSONS == spoken
    assert len(CALLS) == len(daemon.received)
    assert len(CALLS) == len(spoken)
