"""Previews and checked filters as they are answered."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Instant, InstantShown, InstantShownOrNull
from backfilld.api.public.backfills.answers import WindowsShown
from backfilld.api.public.backfills.data import CostAnswer
from backfilld.api.public.backfills.limit_fields import LimitAnswer
from backfilld.domain.entities.records import Entity, EntityType
from backfilld.domain.texts import exact_numbers
from backfilld.domain.windows.openings import Calendar
from backfilld.operations.backfills.preview import Preview, Verified


class SampleAnswer(Answer):
    """An entity that would be covered."""

    id: str
    type: EntityType
    attributes: dict[str, Any]
    updated_at: Instant | None
    as_of: Instant | None


def sample_of(entity_type: str, entities: list[Entity] | tuple[Entity, ...]) -> list[SampleAnswer]:
    """Entities as samples show them."""
    return [
        SampleAnswer.model_construct(
            id=one.id,
            type=entity_type,
            attributes=exact_numbers(one.attributes),
            updated_at=one.updated_at,
            as_of=one.as_of,
        )
        for one in entities
    ]


class OpeningAnswer(Answer):
    """`closes_at` is null if it does not close within 400 days."""

    opens_at: Instant
    closes_at: Instant | None
    opens_at_local: InstantShown
    closes_at_local: InstantShownOrNull

    @classmethod
    def of(cls, opens_at: datetime, closes_at: datetime | None, calendar: Calendar) -> Self:
        return cls(
            opens_at=opens_at,
            closes_at=closes_at,
            opens_at_local=calendar.local(opens_at),
            closes_at_local=None if closes_at is None else calendar.local(closes_at),
        )


class PreviewData(Answer):
    """What a backfill would do. Numbers are null where they could not be had in time."""

    total_entities: int | None
    at_most: int | None = Field(
        description="No more than so many match; null where the number is known, or nobody knows.", examples=[1200]
    )
    at_least: int | None = Field(
        description="No fewer match; null where the number is known, or nothing was seen in time.", examples=[800]
    )
    to_run_count: int | None
    to_run_at_least: int | None = Field(
        description="No fewer would run; null where the number is known, or nothing was seen in time.", examples=[750]
    )
    skipped: dict[str, int] | None = Field(description="How many planning would skip, by reason.")
    sample: list[SampleAnswer]
    cost_estimate: CostAnswer
    effective_windows: WindowsShown
    openings: list[OpeningAnswer] = Field(description="The next 10, the present one included.")
    notes: list[str] = Field(
        description="What changes of clocks do to the windows in the next 60 days, what the estimates stand on, and why"
        " one is null."
    )
    estimated_start_at: Instant | None = Field(
        description="As if approved now, with the plan made by then; null if it never opens."
    )
    estimated_completion_at: Instant | None = Field(
        description="As fast as the workflow's latest items were, within `limits`; null: `notes` say why."
    )
    limits: list[LimitAnswer] = Field(description="What the speed is bounded by, as in `explain`.")

    @classmethod
    def of(cls, preview: Preview, entity_type: str) -> Self:
        survey = preview.survey
        return cls.model_construct(
            total_entities=survey.total,
            at_most=survey.at_most,
            at_least=survey.at_least,
            to_run_count=survey.to_run,
            to_run_at_least=survey.to_run_at_least,
            skipped=survey.skipped,
            sample=sample_of(entity_type, survey.sample),
            cost_estimate=CostAnswer.of(preview.cost),
            effective_windows=preview.effective_windows,
            openings=[OpeningAnswer.of(*opening, preview.calendar) for opening in preview.openings],
            notes=list(preview.notes),
            estimated_start_at=preview.estimate.start_at,
            estimated_completion_at=preview.estimate.completion_at,
            limits=[LimitAnswer.of(limit) for limit in preview.limits],
        )


class VerifiedData(Answer):
    """What a filter matches; `matching_entities` is null if counting took too long."""

    matching_entities: int | None
    at_most: int | None = Field(
        description="No more than so many match; null where the number is known, or nobody knows.", examples=[1200]
    )
    at_least: int | None = Field(
        description="No fewer match; null where the number is known, or nothing was seen in time.", examples=[800]
    )
    success: bool
    message: str
    level: Literal["OK", "WARNING", "ERROR"]
    sample: list[SampleAnswer]

    @classmethod
    def of(cls, verified: Verified, entity_type: str) -> Self:
        return cls.model_construct(
            matching_entities=verified.matching,
            at_most=verified.at_most,
            at_least=verified.at_least,
            success=verified.success,
            message=verified.message,
            level=verified.level,
            sample=sample_of(entity_type, verified.sample),
        )
