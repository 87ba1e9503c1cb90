"""A database that an earlier version left behind, with rows in it on which that version broke down."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.support.daemon import DaemonProcess, Plan, daemon_process
from tests.support.logging_target import LoggingTarget
from tests.support.waiting import eventually

from backfilld.store import migrate as migrations

DUMP = Path(__file__).parent.parent / "support" / "dumps" / "0.1.0.sql"
OF_THAT_VERSION = 6  # migrations
BACKFILL = "b9458efb-34d7-4239-8ea1-04528327cc8f"


@pytest.fixture
async def target() -> AsyncIterator[LoggingTarget]:
    async with LoggingTarget() as target:
        yield target


@pytest.fixture
async def left_behind(empty_dsn: str, target: LoggingTarget) -> str:
    """The database as it was, but for the address of the target, and that its schedules fire nothing more by now."""
    connection = await asyncpg.connect(empty_dsn)
    try:
        for migration in migrations.read()[:OF_THAT_VERSION]:
            await connection.execute(migration.sql)
        await connection.execute("DELETE FROM stop_order")  # which a migration fills
        await connection.execute(migrations._TABLE)
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(DUMP.read_text().replace("http://127.0.0.1:9", target.url))
            await connection.execute("UPDATE schedules SET disabled_at = updated_at")
    finally:
        await connection.close()
    return empty_dsn


async def ask(daemon: DaemonProcess, path: str) -> Any:
    headers = {"Authorization": f"Bearer {daemon.api_key}"}
    async with aiohttp.ClientSession(daemon.url, headers=headers) as session, session.get(path) as answer:
        assert 200 == answer.status, f"{path}: {await answer.text()}"

        return await answer.json()


async def test_a_database_with_sessions_from_the_ends_of_the_calendar_heals_with_the_upgrade(
    tmp_path: Path, left_behind: str, target: LoggingTarget
) -> None:
    async with daemon_process(tmp_path / "daemon", Plan(target.url, left_behind)) as daemon:
        await daemon.make_key("admin")
        await daemon.start()

        async def all_ended() -> bool:
            return all(one["done"] for one in (await ask(daemon, "/api/attempts?include_retried=true"))["attempts"])

        await eventually(all_ended, seconds=20)
        ended = await daemon.ends(BACKFILL)
        attempts = {one["id"]: one for one in (await ask(daemon, "/api/attempts"))["attempts"]}
        sessions = {one["id"]: one for one in (await ask(daemon, "/api/sessions"))["sessions"]}
        tasks = (await ask(daemon, "/api/attempts/3/tasks"))["tasks"]
        for path in ("/api/projects/2/sessions", "/api/schedules", "/api/sessions/2", "/api/sessions/2/attempts",
                     "/api/attempts/2", "/api/attempts/2/retries", "/api/workflows", "/public-api/backfills",
                     "/public-api/audit-log", "/public-api/entities/ticket"):  # fmt: skip
            await ask(daemon, path)
        assert daemon.is_running

    assert "completed" == ended["status"]
    assert {"1": "success", "2": "error", "3": "error", "4": "success", "5": "error"} == {
        id: one["status"] for id, one in attempts.items()
    }
    assert "internal" == tasks[0]["error"]["class"]
    assert "0001-01-01T00:00:00+00:00" == attempts["2"]["sessionTime"] == sessions["2"]["sessionTime"]
    assert "9999-12-31T23:59:59+00:00" == attempts["3"]["sessionTime"] == sessions["3"]["sessionTime"]
    assert "2027-03-01T07:00:00+09:00" == attempts["1"]["sessionTime"]
    assert {frozenset(one) for one in attempts.values()} == {frozenset(attempts["1"])}
