"""The sources over HTTP: how each is, and a test of one."""

from typing import Any, Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.entities.schemas import BudgetAnswer
from backfilld.domain.entities.records import FieldType
from backfilld.operations.sources import KnownSource, SourceOperations, Tested

PATH = "/public-api/sources"
TAG = "entities"


class SourceAnswer(Answer):
    """A source that is not the built-in one."""

    name: str = Field(description="The connection, or the entity type of an `sql` source.", examples=["psa"])
    kind: str = Field(description="`http` or `sql`.", examples=["http"])
    entity_types: list[str] = Field(description="What is listed by it.", examples=[["ticket", "company"]])
    healthy: bool = Field(description="Whether it can list entities at this moment.", examples=[True])
    problem: str | None = Field(description="Why it cannot.", examples=["psa: GET /Tickets answers 401"])
    budget: BudgetAnswer | None = Field(description="null where requests are not counted.")

    @classmethod
    def of(cls, one: KnownSource) -> Self:
        return cls(
            name=one.name,
            kind=one.kind,
            entity_types=list(one.entity_types),
            healthy=one.problem is None,
            problem=one.problem,
            budget=BudgetAnswer.of(one.usage),
        )


class SourcesData(Answer):
    sources: list[SourceAnswer] = Field(description="All of them, by name.")


class TestAnswer(Answer):
    """What a test found."""

    entity_type: str = Field(description="What was tested.", examples=["ticket"])
    source: str = Field(description="`builtin`, `sql` or `http`.", examples=["http"])
    healthy: bool = Field(description="Whether all of it could be asked.", examples=[True])
    problem: str | None = Field(description="What could not.", examples=["psa: POST /Tickets answers 401"])
    fields: dict[str, FieldType] = Field(description="The known fields.", examples=[{"status": "integer"}])
    count: int | None = Field(description="How many there are; null: not known in time.", examples=[198412])
    record: dict[str, Any] | None = Field(
        description="The first of them: `id` and `attributes`.", examples=[{"id": "1", "attributes": {"status": 1}}]
    )
    requests: int | None = Field(description="What the test cost; null where that is not counted.", examples=[5])
    seconds: float = Field(description="How long it took.", examples=[1.2])


class TestData(Answer):
    test: TestAnswer = Field(description="What was found.")


class _Handlers:
    def __init__(self, sources: SourceOperations) -> None:
        self._sources = sources

    async def list(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(SourcesData(sources=[SourceAnswer.of(one) for one in await self._sources.list()]))

    async def test(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(TestData(test=_tested(await self._sources.test(asked.path["type"]))))


def routes(sources: SourceOperations) -> list[Route]:
    does = _Handlers(sources)
    return [
        Route("GET", PATH, does.list, "viewer", "List the sources, their health and their budgets", SourcesData,
              tag=TAG),
        Route("POST", f"{PATH}/{{type}}/test", does.test, "operator", "Test the source of an entity type", TestData,
              tag=TAG, errors=(404,), description="Asks for its fields, the number of its entities and one of them."),
    ]  # fmt: skip


def _tested(one: Tested) -> TestAnswer:
    record = one.record
    return TestAnswer(
        entity_type=one.entity_type,
        source=one.source,
        healthy=one.problem is None,
        problem=one.problem,
        fields=dict(one.fields),
        count=one.count,
        record=None if record is None else {"id": record.id, "attributes": record.attributes},
        requests=one.requests,
        seconds=round(one.seconds, 3),
    )
