"""How a backfill went, over HTTP: what charts are drawn from."""

from datetime import timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Instant, Query
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.answers import number
from backfilld.domain.backfills.open_rates import Point
from backfilld.domain.backfills.states import ReasonCode
from backfilld.operations.backfill_verbs import BackfillOperations

PATH = "/public-api/backfills/{id}/progress"
MOST_STEP = 7 * 86_400


class WantedSamples(Query):
    """Which samples."""

    since: Annotated[Instant | None, Field(alias="from")] = Field(None, description="At or after; null: the first.")
    to: Instant | None = Field(None, description="Before; null: up to now.")
    step: Annotated[int, Field(ge=60, le=MOST_STEP)] | None = Field(
        None, description="Seconds from one sample to the next. Longer where there would be more than 1,500."
    )


class SampleAnswer(Answer):
    """The counters of one moment, all counted from the beginning."""

    at: Instant = Field(description="When they were so.")
    succeeded: int = Field(description="Succeeded until then.", examples=[1200])
    failed: int = Field(description="Failed until then.", examples=[2])
    skipped: int = Field(description="Skipped until then, those that planning skipped among them.", examples=[30])
    cancelled: int = Field(description="Cancelled until then.", examples=[0])
    retrying: int = Field(description="Waiting for another try then.", examples=[4])
    in_flight: int = Field(description="In flight then.", examples=[5])
    credits: float = Field(description="Used until then.", examples=[600.5])
    reason_code: ReasonCode | None = Field(description="Why nothing was starting then; null: something was.")

    @classmethod
    def of(cls, point: Point) -> Self:
        values = {name: getattr(point, name) for name in cls.model_fields}
        return cls.model_construct(**values | {"credits": number(point.credits)})


class SamplesData(Answer):
    """How it went."""

    samples: list[SampleAnswer] = Field(
        description="Oldest first; the first may be from before `from`, to be counted from. The last is of now."
    )
    step: int = Field(description="Seconds from one sample to the next.", examples=[60])


def routes(operations: BackfillOperations) -> list[Route]:
    async def samples(asked: RequestContext[None, WantedSamples]) -> Reply:
        query = asked.query
        step = None if query.step is None else timedelta(seconds=query.step)
        found = await operations.history.samples(asked.path["id"], query.since, query.to, step)
        shown = [SampleAnswer.of(point) for point in found.points]
        return Reply(SamplesData.model_construct(samples=shown, step=round(found.step.total_seconds())))

    return [
        Route("GET", PATH, samples, "viewer", "Tell how a backfill went, minute by minute", SamplesData,
              query=WantedSamples, path_types={"id": UUID}, tag="Backfills",
              description="The last counters of each step. After 7 days one is kept in 10 minutes, after 90 one an"
              " hour."),
    ]  # fmt: skip
