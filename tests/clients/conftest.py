"""One daemon that clients of others meet, and a project of each test's own for them to push."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.support.daemon import DaemonProcess, Plan, daemon_process
from tests.support.database import Databases, scratch_folder

# Workflows that a pushed project may hold; `sh>` runs only where the file lets it.
EXECUTORS = '[executors]\ndefinable_by_api = ["http", "command"]\n'
DAILY = """\
timezone: Asia/Tokyo
schedule:
  daily>: 09:00:00
+say:
  sh>: echo "it was ${session_date}"
"""
# What becomes of these is told by the params of an attempt.
LENGTHY = "+wait:\n  sh>: sleep ${seconds}\n"
FAILING = "+fail:\n  sh>: echo no such luck; exit ${code}\n"


NUMBERS = count(1)


@pytest.fixture(scope="module")
async def daemon(databases: Databases) -> AsyncIterator[DaemonProcess]:
    """It runs as long as the tests of a file, which see each other's projects."""
    with scratch_folder() as folder:
        async with databases.database() as dsn, daemon_process(folder / "daemon", plan(dsn)) as daemon:
            await daemon.make_key()
            await daemon.start()
            yield daemon


def plan(dsn: str) -> Plan:
    return Plan("http://127.0.0.1:1", dsn, more=EXECUTORS)


@pytest.fixture
def project() -> Iterator[Path]:
    """A folder as people keep it under version control; what it is called, no other is."""
    with scratch_folder() as scratch:
        folder = scratch / f"sales{next(NUMBERS)}x"
        (folder / "queries").mkdir(parents=True)
        (folder / "daily.dig").write_text(DAILY)
        (folder / "lengthy.dig").write_text(LENGTHY)
        (folder / "failing.dig").write_text(FAILING)
        (folder / "queries" / "sales.sql").write_text("SELECT 1\n")
        yield folder
