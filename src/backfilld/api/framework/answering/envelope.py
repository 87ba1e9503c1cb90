"""The shapes around every answer, as the document shows them."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class PageInfo(BaseModel):
    """Where a list goes on."""

    has_more: bool
    next_cursor: str | None = Field(description="for `cursor` of the next request; null on the last page")


class Meta(BaseModel):
    """What an answer says about itself."""

    model_config = ConfigDict(title="Meta")

    request_id: UUID = Field(description="the same as in X-Request-Id")
    timings_ms: dict[str, float] = Field(description="`total`, and parts where they are known")
    pagination: PageInfo = Field(description="Of a list. No more, and no cursor, where nothing is paged.")
    warnings: list[str] = Field(description="what was accepted, but may not be meant")
    counts: dict[str, int] | None = Field(
        None,
        description="In the list of backfills alone: how many of each group `q` finds, whatever else is asked for.",
        examples=[{"attention": 2, "working": 1, "paused": 0, "waiting": 3, "ended": 40}],
    )


class FaultShown(BaseModel):
    """One thing that is wrong with the request."""

    path: str = Field(description="JSON Pointer into the body, or /query/NAME", examples=["/max_in_flight"])
    code: str = Field(examples=["out_of_range"])
    message: str = Field(examples=["must be at most 10"])
    allowed: list[str] = Field(default_factory=list, description="valid values, nearest first; left out if not few")


class Problem(BaseModel):
    """What went wrong. Some codes come with further fields, such as the id of the thing that is in the way."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(description="a stable word for programs", examples=["not_found"])
    message: str = Field(description="a sentence for people")
    details: list[FaultShown] = Field(description="every fault (at most 50) where the status is 422, else empty")


class ProblemMeta(BaseModel):
    """What an error says about itself."""

    request_id: UUID


class ProblemAnswer(BaseModel):
    """The answer to a request that could not be done."""

    error: Problem
    meta: ProblemMeta


class DigdagProblem(BaseModel):
    """An error under /api."""

    message: str
    status: int
