"""Why nothing, or not more, is starting, over HTTP."""

from datetime import datetime, tzinfo
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Instant
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.limit_fields import LimitAnswer
from backfilld.domain.backfills.explaining import Blocker, Explanation
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.sentences import Part, Sentence, plain
from backfilld.operations.backfill_verbs import BackfillOperations

PATH = "/public-api/backfills/{id}/explain"


class PartAnswer(Answer):
    """A value in a sentence, to be written as the reader likes it."""

    type: Literal["time", "in", "ago", "count", "name", "text"] = Field(
        description="`time`: an instant; `in` and `ago`: one that is told by how far off it is."
    )
    value: Any = Field(description="An instant, a number or a text.", examples=[3640])

    @classmethod
    def of(cls, part: Part) -> Self:
        return cls.model_construct(type=part.type, value=part.value)


class BlockerAnswer(Answer):
    """One thing that keeps items from starting."""

    code: ReasonCode
    text: str = Field(description="What is so, as in `status_reason.message`.", examples=["Paused by ops 12 m ago."])
    since: Instant
    until: Instant | None = Field(description="null: nobody knows, or it is being asked right now.")
    by: str | None = Field(description="Who did it, where somebody did.", examples=["ops"])
    remedy: str = Field(description="What would change it.", examples=["Nothing starts until somebody resumes it."])
    link: str | None = Field(
        description="The path of the route that helps.", examples=["/public-api/backfills/6f1c1a34…/resume"]
    )

    @classmethod
    def of(cls, blocker: Blocker, zone: tzinfo, now: datetime) -> Self:
        return cls.model_construct(
            code=blocker.code,
            text=plain(blocker.text, zone, now),
            since=blocker.since,
            until=blocker.until,
            by=blocker.by,
            remedy=plain(blocker.remedy, zone, now),
            link=blocker.link,
        )


class ExplainData(Answer):
    """Why nothing, or not more, is starting now, what would change it, and when."""

    starting: bool = Field(description="Whether items start as soon as a slot is free.", examples=[False])
    sentences: list[str] = Field(
        description="In the backfill's zone: what is so, what would change it, and what stands behind that.",
        examples=[["Closed now. The next opening starts Mon 22:00 New York, in 2 d 12 h.", "3,640 are left."]],
    )
    parts: list[list[Annotated[str | PartAnswer, Field(union_mode="left_to_right")]]] = Field(
        description="The same sentences with their values apart.",
        examples=[[["The next opening starts ", {"type": "time", "value": "2027-03-14T07:00:00Z"}, "."]]],
    )
    blockers: list[BlockerAnswer] = Field(
        description="All that keeps items from starting, in the order in which they are looked at; the first is"
        " `status_reason`."
    )
    limits: list[LimitAnswer] = Field(description="What the speed is bounded by.")
    next_start_at: Instant | None = Field(
        description="When nothing of that will be in the way; null while something is starting, and where nobody knows."
    )

    @classmethod
    def of(cls, found: Explanation, zone: tzinfo, now: datetime) -> Self:
        return cls.model_construct(
            starting=found.starting,
            sentences=[plain(sentence, zone, now) for sentence in found.sentences],
            parts=[_parts(sentence) for sentence in found.sentences],
            blockers=[BlockerAnswer.of(blocker, zone, now) for blocker in found.blockers],
            limits=[LimitAnswer.of(limit) for limit in found.limits],
            next_start_at=found.next_start_at,
        )


def _parts(sentence: Sentence) -> list[str | PartAnswer]:
    return [part if isinstance(part, str) else PartAnswer.of(part) for part in sentence]


def routes(operations: BackfillOperations) -> list[Route]:
    async def explain(asked: RequestContext[None, None]) -> Reply:
        found, zone = await operations.explainer.explain(asked.path["id"])
        return Reply(ExplainData.of(found, zone, operations.clock.now()))

    return [
        Route("GET", PATH, explain, "viewer", "Tell why nothing, or not more, is starting", ExplainData,
              path_types={"id": UUID}, tag="Backfills",
              description="One answer in every daemon: what its owner knows is written down within a second."),
    ]  # fmt: skip
