"""What failed in a backfill, over HTTP."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Instant, Query
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.watching.errors import ErrorGroup

PATH = "/public-api/backfills/{id}/errors"
GroupKey = Annotated[
    str, Field(pattern="^[0-9a-f]{18}$", description="A group, as `errors` names it.", examples=["014fd7ca784fe4824b"])
]


class WantedErrors(Query):
    """Which groups."""

    error_group: GroupKey | None = Field(None, description="Only this one.")


class ErrorGroupAnswer(Answer):
    """Failures of one class whose messages say the same."""

    error_group: str | None = Field(
        description="Names it in the ledger, the report and reruns; null: all kinds beyond the 200 commonest.",
        examples=["014fd7ca784fe4824b"],
    )
    error_class: str | None
    message: str = Field(
        description="With a gap where those of the group differ.", examples=["ticket ‹…› is locked by user ‹…›"]
    )
    count: int = Field(description="How many failed so.", examples=[61])
    first_at: Instant | None = Field(description="When the first of them ended.")
    last_at: Instant | None = Field(description="When the last of them ended.")
    entity_ids: list[str] = Field(description="The first five of them, in plan order.", examples=[["T-1", "T-3"]])
    examples: list[str] = Field(description="What these five said.", examples=[["ticket 100413 is locked by user u77"]])

    @classmethod
    def of(cls, group: ErrorGroup) -> Self:
        return cls.model_construct(
            error_group=None if group.fingerprint is None else group.fingerprint.hex(),
            error_class=group.error_class,
            message=group.message,
            count=group.count,
            first_at=group.first_at,
            last_at=group.last_at,
            entity_ids=list(group.entity_ids),
            examples=list(group.examples),
        )


class ErrorsData(Answer):
    """What failed."""

    errors: list[ErrorGroupAnswer] = Field(description="The most frequent first.")


def key_of(group: str | None) -> bytes | None:
    """What a group is called inside."""
    return None if group is None else bytes.fromhex(group)


def routes(operations: BackfillOperations) -> list[Route]:
    async def errors(asked: RequestContext[None, WantedErrors]) -> Reply:
        found = await operations.errors.list_groups(asked.path["id"], only=key_of(asked.query.error_group))
        warnings = []
        if found.ungrouped:
            warnings.append(f"{found.ungrouped:,} failures of before there were groups are not grouped yet; ask again")
        data = ErrorsData.model_construct(errors=[ErrorGroupAnswer.of(group) for group in found.groups])
        return Reply(data, warnings=warnings)

    return [
        Route("GET", PATH, errors, "viewer", "Tell what failed, by what failures have in common", ErrorsData,
              query=WantedErrors, path_types={"id": UUID}, tag="Ledger",
              description="Ids, numbers, times and quoted values in messages do not keep failures apart."),
    ]  # fmt: skip
