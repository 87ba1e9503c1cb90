"""A folder with a short path, a target, and a PostgreSQL as distributions build it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
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
