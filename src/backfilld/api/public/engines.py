"""The engines over HTTP: how each is, and a test of one."""

from typing import Literal, Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Instant
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.operations.engines.looking import EngineOperations, KnownEngine, TestedEngine

PATH = "/public-api/engines"
TAG = "Engines"


class EngineAnswer(Answer):
    """An engine that workflows run on."""

    name: str = Field(description="As the configuration calls it.", examples=["wf"])
    kind: str = Field(description="`digdag` or `temporal`.", examples=["digdag"])
    address: str = Field(description="Where it is.", examples=["https://api-workflow.example.com"])
    state: Literal["closed", "open", "half_open"] = Field(
        description="`closed`: it can be reached, as far as is known; `open`: nothing starts; `half_open`: one is"
        " tried.",
        examples=["closed"],
    )
    since: Instant | None = Field(
        description="When the outage, or the refusal, began; null if there is none.", examples=["2027-03-14T07:00:00Z"]
    )
    problem: str | None = Field(
        description="What it last failed with; kept when that is over.", examples=["connection refused"]
    )
    paused_until: Instant | None = Field(
        description="Until when it asked us to wait; null if it does not.", examples=["2027-03-14T07:00:20Z"]
    )
    workflows: list[str] = Field(
        description="Which workflows were run on it since the daemon began.", examples=[["daily"]]
    )

    @classmethod
    def of(cls, one: KnownEngine) -> Self:
        engine, state = one.engine, one.state
        return cls(
            name=engine.name,
            kind=engine.kind,
            address=engine.address,
            state="closed" if state is None else state.state,
            since=None if state is None else state.since,
            problem=None if state is None else state.problem,
            paused_until=None if state is None else state.paused_until,
            workflows=[] if state is None else list(state.workflows),
        )


class EnginesData(Answer):
    engines: list[EngineAnswer] = Field(description="All of them, by name.")


class EngineTestAnswer(Answer):
    """What a test found."""

    engine: str = Field(description="What was tested.", examples=["wf"])
    kind: str = Field(description="`digdag` or `temporal`.", examples=["digdag"])
    healthy: bool = Field(description="Whether work could run there.", examples=[True])
    problem: str | None = Field(description="Why not.", examples=["GET /api/schedules answers 401"])
    facts: dict[str, str] = Field(description="What it says of itself.", examples=[{"version": "0.10.6"}])
    warnings: list[str] = Field(description="What should not stay so.", examples=[["runs are kept for one day there"]])
    seconds: float = Field(description="How long it took.", examples=[0.2])
    asked_at: Instant = Field(description="When it was asked.", examples=["2027-03-14T07:00:00Z"])


class EngineTestData(Answer):
    test: EngineTestAnswer = Field(description="What was found.")


class _Handlers:
    def __init__(self, engines: EngineOperations) -> None:
        self._engines = engines

    async def list(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(EnginesData(engines=[EngineAnswer.of(one) for one in self._engines.list()]))

    async def test(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(EngineTestData(test=_tested(await self._engines.test(asked.path["name"]))))


def routes(engines: EngineOperations) -> list[Route]:
    does = _Handlers(engines)
    return [
        Route("GET", PATH, does.list, "viewer", "List the engines that workflows run on, and how they are",
              EnginesData, tag=TAG),
        Route("POST", f"{PATH}/{{name}}/test", does.test, "operator", "Test an engine", EngineTestData,
              tag=TAG, errors=(404,), description="Asks it whether work could run there. Nothing is started."),
    ]  # fmt: skip


def _tested(one: TestedEngine) -> EngineTestAnswer:
    report = one.report
    return EngineTestAnswer(
        engine=one.engine.name,
        kind=one.engine.kind,
        healthy=report.problem is None,
        problem=report.problem,
        facts=dict(report.facts),
        warnings=list(report.warnings),
        seconds=round(one.seconds, 3),
        asked_at=one.asked_at,
    )
