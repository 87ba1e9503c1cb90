"""What any test may ask for: a database of its own, and a clock that it moves."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop
from tests.support.clock import FakeClock
from tests.support.compiled_templates import compile_templates_once
from tests.support.database import Databases, running_server
from tests.support.examples import register_profiles
from tests.support.fewer_messages import send_fewer_messages
from tests.support.lent_database import LentDatabase

from backfilld.domain.windows.timezones import use_pinned_tzdata
from backfilld.store.connection.pool import Pool

_OF_OTHER_RINGS = re.compile(r"^pytestmark = pytest\.mark\.", re.MULTILINE)

register_profiles()
compile_templates_once()
structlog.configure(  # rich takes a second to draw a traceback that nobody looks at
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
use_pinned_tzdata()  # the rules of the package, as in the daemon, whichever tests run beside each other


def pytest_configure(config: pytest.Config) -> None:
    send_fewer_messages(config)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What the quick ring runs nothing of is not imported for it, nor are the programs that it drives."""
    if "not slow" not in config.getoption("markexpr"):
        return None
    if collection_path.suffix == ".py":
        return bool(_OF_OTHER_RINGS.search(collection_path.read_text(encoding="utf-8"))) or None
    return collection_path == Path(__file__).parent / "browser" or None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What was collected stays for good: while that happens, and ever after, nobody looks through it for cycles."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are called by their parameter: what is packed at import differs from one worker to the next."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


@pytest.fixture(scope="session")
async def databases() -> AsyncIterator[Databases]:
    """One PostgreSQL for the session, with a migrated template."""
    async with running_server() as databases:
        await databases.make_template()
        yield databases


@pytest.fixture
async def lent(databases: Databases) -> AsyncIterator[LentDatabase]:
    """A migrated database that no other test sees."""
    async with databases.lent() as lent:
        yield lent


@pytest.fixture
def dsn(lent: LentDatabase) -> str:
    """The DSN of a migrated database that no other test sees."""
    return lent.dsn


@pytest.fixture
async def empty_dsn(databases: Databases) -> AsyncIterator[str]:
    """A database without any table."""
    async with databases.database("template1") as dsn:
        yield dsn


@pytest.fixture
async def pool(lent: LentDatabase) -> AsyncIterator[Pool]:
    """Connections to the database of `dsn`."""
    async with lent.pool() as pool:
        yield pool


@pytest.fixture
def clock() -> FakeClock:
    """Monday, 2027-03-01 12:00 UTC, until it is moved."""
    return FakeClock()


@pytest.fixture(scope="session")
def _asyncio_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The daemon's own loop. pytest-asyncio's hook for it would make each test one case of many, which takes longer."""
    return uvloop.new_event_loop
