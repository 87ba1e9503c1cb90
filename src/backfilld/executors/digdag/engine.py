"""A digdag server as an engine."""

from typing import Any

from backfilld.clock import Clock
from backfilld.executors.base import Executor
from backfilld.executors.definitions.engines import DigdagExecutor as Definition
from backfilld.executors.digdag.connection import DigdagConnection
from backfilld.executors.digdag.executor import DigdagExecutor
from backfilld.executors.digdag.questions import Questions, ServerProblem
from backfilld.executors.digdag.schedules import Schedules
from backfilld.executors.digdag.watch import Watch
from backfilld.executors.engines import EngineReport, Hold


class DigdagEngine:
    """`Engine` over one connection, which all its executors share."""

    kind = "digdag"

    def __init__(self, connection: DigdagConnection, clock: Clock, hold: Hold) -> None:
        """`hold` is told while the server cannot be asked how attempts go on."""
        self._connection = connection
        self._clock = clock
        self.questions = Questions(connection)
        self.schedules = Schedules(self.questions)
        terms = connection.terms
        self._watch = Watch(terms.name, self.questions, clock, terms.ask_seconds, hold)

    @property
    def name(self) -> str:
        return self._connection.terms.name

    @property
    def address(self) -> str:
        return self._connection.terms.url

    def executor(self, definition: Any) -> Executor:
        assert isinstance(definition, Definition)  # noqa: S101 - the rules of definitions say so
        return DigdagExecutor(definition, self._connection, self.questions, self._watch, self._clock)

    async def test(self) -> EngineReport:
        """Its version, and whether we may see its schedules."""
        facts: dict[str, str] = {}
        try:
            facts["version"] = await self.questions.version()
            facts["schedules"] = f"{await self.questions.count_schedules()}"
        except ServerProblem as problem:
            return EngineReport(str(problem), facts)
        return EngineReport(None, facts)

    async def close(self) -> None:
        await self._watch.close()
        await self._connection.close()
