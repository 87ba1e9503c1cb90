"""Engines that people already run, and that do the work for us.

Each is named in the configuration and made once. Its executors share its connections, its pace and its health: their
target is `engine:<name>`, and what cannot be reached there holds everything that runs on it (`engine_unreachable`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from backfilld.domain.backfills.holding import Reason
from backfilld.executors.base import Executor


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What a test found. `problem`: why nothing could run there, None if it could. `facts`: what it says of itself.
    `warnings`: what should not stay so."""

    problem: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Engine(Protocol):
    """One engine of the configuration."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""

    @property
    def kind(self) -> str:
        """The type of it and of its executors: `digdag`, `temporal`."""

    @property
    def address(self) -> str:
        """Where it is, for people."""

    def executor(self, definition: Any) -> Executor:
        """For a definition of its kind."""

    async def test(self) -> EngineReport:
        """Ask it whether work could run there. Whatever goes wrong is told in the report; whoever calls bounds the
        time."""

    async def close(self) -> None:
        """Let go of connections."""


Engines: TypeAlias = Mapping[str, Engine]
Hold: TypeAlias = Callable[[str, str | None, Reason | None], None]
"""Told of a target, of an address there (None: of all), why nothing is to start; None: it may again."""


def kinds_of(engines: Engines) -> dict[str, str]:
    """Each engine with its kind."""
    return {name: engine.kind for name, engine in engines.items()}


class MissingEngine:
    """Stands in for an engine whose library is not installed."""

    def __init__(self, name: str, kind: str, address: str, problem: str) -> None:
        self.name = name
        self.kind = kind
        self.address = address
        self._problem = problem

    def executor(self, definition: Any) -> Executor:
        raise RuntimeError(self._problem)  # the rules of definitions say so before

    async def test(self) -> EngineReport:
        """What to install."""
        return EngineReport(self._problem)

    async def close(self) -> None:
        """Nothing is open."""
