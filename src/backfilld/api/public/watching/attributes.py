"""What an entity of a plan says, over HTTP."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Instant
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.watching.attributes import Attributes

PATH = "/public-api/backfills/{id}/entities/{entity_id}/attributes"


class AttributesData(Answer):
    """The attributes of a planned entity, and what they stand for."""

    attributes: dict[str, Any] | None = Field(
        description="Null: its source has no such entity any more.", examples=[{"priority": 2}]
    )
    standing: Literal["as_sent", "as_planned", "as_now"] = Field(
        description="as_sent: what its target was sent. as_planned: what it will be sent. as_now: as its source has"
        " them now; what was sent had been read right before the start, and is not kept.",
        examples=["as_now"],
    )
    read_at: Instant = Field(description="When they were looked up.")
    as_of: Instant | None = Field(description="Since when its source has them so, as far as that is known.")

    @classmethod
    def of(cls, found: Attributes) -> Self:
        return cls.model_construct(
            attributes=None if found.values is None else dict(found.values), standing=found.standing,
            read_at=found.read_at, as_of=found.as_of,
        )  # fmt: skip


def routes(operations: BackfillOperations) -> list[Route]:
    async def attributes(asked: RequestContext[None, None]) -> Reply:
        backfill = (await operations.get(asked.path["id"])).backfill
        entry = await operations.ledger.get(backfill.id, asked.path["entity_id"])
        return Reply(AttributesData.of(await operations.attributes.read(backfill, entry)))

    return [
        Route("GET", PATH, attributes, "viewer", "Show the attributes of an entity of a backfill", AttributesData,
              path_types={"id": UUID}, tag="Ledger",
              description="Where the source of the type can be read again it is asked now, which costs a request of"
              " its budget; 503 if it does not answer."),
    ]  # fmt: skip
