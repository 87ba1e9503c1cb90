"""What the routes of backfills answer with, around the backfill itself."""

from collections.abc import Mapping
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer
from backfilld.api.public.backfills.answers import BackfillAnswer, number
from backfilld.operations.backfills.ids_found import IdsFound
from backfilld.operations.estimating.counting import CostEstimate


class CostAnswer(Answer):
    """null where a factor is not known."""

    credits_per_entity: float | None
    total_credits_estimated: float | None
    total_entities: int | None

    @classmethod
    def of(cls, cost: CostEstimate) -> Self:
        return cls.model_construct(
            credits_per_entity=number(cost.credits_per_entity),
            total_credits_estimated=number(cost.total_credits),
            total_entities=cost.total_entities,
        )


class BackfillData(Answer):
    backfill: BackfillAnswer


class BackfillsData(Answer):
    backfills: list[BackfillAnswer]


class NamedAnswer(Answer):
    """Of `entity_ids`, as known when the backfill was made; null where that could not be found out in time."""

    named: int = Field(description="Different ones.")
    unknown: int | None
    not_matching: int | None

    @classmethod
    def of(cls, named: IdsFound | None) -> Self | None:
        if named is None:
            return None
        return cls.model_construct(named=named.named, unknown=named.unknown, not_matching=named.not_matching)


class CreatedData(Answer):
    backfill: BackfillAnswer
    cost_estimate: CostAnswer
    named_entities: NamedAnswer | None = Field(description="null without `entity_ids`.")


class SignalData(Answer):
    """What became of a wish."""

    backfill_id: UUID
    signal: Literal["pause", "resume", "cancel", "override", "try-now"]
    message: str
    backfill: BackfillAnswer


def plain(answer: Answer) -> Mapping[str, Any]:
    """An answer as JSON values, as it can be stored."""
    return answer.model_dump(mode="json")
