"""Which fields the records of a type have, over HTTP: what a builder of filters offers."""

from typing import Any, Literal, Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters.field_sample import SampledField
from backfilld.domain.texts import exact_numbers
from backfilld.operations.backfill_verbs import BackfillOperations

PATH = "/public-api/entity-types/{entity_type}/fields"
Kind = Literal["text", "date", "integer", "number", "boolean", "list", "object"]


class FieldValueAnswer(Answer):
    """A value that is common in a field."""

    value: Any = Field(description="The value.", examples=["closed"])
    label: str | None = Field(
        description="What it stands for, where the source knows that of a pick list.", examples=["Complete"]
    )


class FieldAnswer(Answer):
    """A field of the records of a type."""

    name: str = Field(description="As filters name it, dots for what lies inside.", examples=["status"])
    kinds: list[Kind] = Field(description="What its values are, the commonest first.", examples=[["text"]])
    share: float = Field(description="Which part of the records looked at has it.", examples=[0.98])
    values: list[FieldValueAnswer] | None = Field(
        description="The 12 commonest values; null where there are more than 40 different ones. Of a pick list that the"
        " source knows: all of them, with their labels."
    )
    configured: FieldType | None = Field(
        description="Its type, where an import or the configuration says it.", examples=["integer"]
    )

    @classmethod
    def of(cls, field: SampledField, configured: FieldType | None) -> Self:
        values = [FieldValueAnswer(value=exact_numbers(value), label=field.labels.get(value)) for value in field.values]
        return cls.model_construct(
            name=field.name, kinds=list(field.kinds), share=field.share, values=values or None, configured=configured
        )


class FieldsData(Answer):
    """The fields of a type."""

    fields: list[FieldAnswer] = Field(description="Those that most records have first.")


def routes(operations: BackfillOperations) -> list[Route]:
    async def fields(asked: RequestContext[None, None]) -> Reply:
        found = await operations.field_sampler.sample(asked.path["entity_type"])
        shown = [FieldAnswer.of(field, found.configured.get(field.name)) for field in found.fields]
        return Reply(FieldsData.model_construct(fields=shown), warnings=found.warnings)

    return [
        Route("GET", PATH, fields, "viewer", "List the fields of the records of a type", FieldsData, tag="entities",
              description="From a sample of 1,000 records, in a bounded time."),
    ]  # fmt: skip
