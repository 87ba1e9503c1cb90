"""Commands as a person runs them, judged by exit code, stdout and stderr."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from tests.support.stub_daemon import StubDaemon, stub_daemon

from backfilld.cli.main import cli


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


Backfilld = Callable[..., Awaitable[Ended]]


@pytest.fixture
async def daemon() -> AsyncIterator[StubDaemon]:
    """A scripted daemon."""
    async with stub_daemon() as daemon:
        yield daemon


@pytest.fixture
def backfilld(daemon: StubDaemon, monkeypatch: pytest.MonkeyPatch) -> Backfilld:
    """Runs a command that finds the scripted daemon in its environment. Only errors of the program are raised."""
    monkeypatch.setenv("BACKFILLD_URL", daemon.url)
    monkeypatch.setenv("BACKFILLD_API_KEY", "neo_sk_test_abc")

    async def run(*arguments: str, stdin: str | None = None) -> Ended:
        # In a thread: a command runs an event loop of its own, and the daemon lives on this one.
        result = await asyncio.to_thread(CliRunner().invoke, cli, list(arguments), input=stdin, prog_name="backfilld")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run
