"""A target, and a daemon on a database of its own; both gone when the test is over."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.daemon import DaemonProcess, Plan, daemon_process
from tests.support.database import scratch_folder
from tests.support.logging_target import LoggingTarget


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
async def target() -> AsyncIterator[LoggingTarget]:
    async with LoggingTarget() as target:
        yield target


@pytest.fixture
async def daemon(scratch: Path, target: LoggingTarget, dsn: str) -> AsyncIterator[DaemonProcess]:
    """On an external database that survives it. Not started; its key is made."""
    async with daemon_process(scratch / "daemon", Plan(target.url, dsn)) as daemon:
        await daemon.make_key()
        yield daemon
