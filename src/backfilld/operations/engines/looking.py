"""What people may ask of the engines: which there are, how each is, and what a test finds."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from backfilld.clock import Clock
from backfilld.domain.engines import engine_target
from backfilld.domain.errors import NotFound, did_you_mean
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.state import TargetState
from backfilld.executors.engines import Engine, EngineReport, Engines

TEST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class KnownEngine:
    """An engine, and how it is. `state` None: nothing has used it yet since this daemon began."""

    engine: Engine
    state: TargetState | None


@dataclass(frozen=True, slots=True)
class TestedEngine:
    """What a test found."""

    engine: Engine
    report: EngineReport
    seconds: float
    asked_at: datetime


class EngineOperations:
    """The verbs."""

    def __init__(self, engines: Engines, targets: Targets, clock: Clock) -> None:
        self._engines = engines
        self._targets = targets
        self._clock = clock

    def list(self) -> Sequence[KnownEngine]:
        """All of them, by name."""
        states = {state.target: state for state in self._targets.states()}
        return [KnownEngine(self._engines[name], states.get(engine_target(name))) for name in sorted(self._engines)]

    async def test(self, name: str) -> TestedEngine:
        """Ask it. NotFound."""
        engine = known_engine(self._engines, name)
        asked_at, began = self._clock.now(), self._clock.monotonic()
        try:
            async with asyncio.timeout(TEST_SECONDS):
                report = await engine.test()
        except TimeoutError:
            report = EngineReport(f"no whole answer within {TEST_SECONDS:g} s")
        return TestedEngine(engine, report, self._clock.monotonic() - began, asked_at)

    async def problems(self) -> dict[str, str | None]:
        """Each engine with what is wrong with it; None: nothing."""
        names = sorted(self._engines)
        found: Iterable[TestedEngine] = await asyncio.gather(*map(self.test, names))
        return {name: one.report.problem for name, one in zip(names, found, strict=True)}


def known_engine(engines: Engines, name: str) -> Engine:
    """The engine of that name. NotFound."""
    if name not in engines:
        raise NotFound(f"there is no engine {name[:100]!r}{did_you_mean(name, engines)}")
    return engines[name]
