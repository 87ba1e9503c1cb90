"""Backfills as they are answered."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, WithJsonSchema

from backfilld.api.framework.reading.fields import Answer, Instant
from backfilld.api.public.backfills.bodies import FILTER_SCHEMA, WINDOWS_SCHEMA
from backfilld.api.public.backfills.limit_fields import FailurePolicyAnswer, SlowDownAnswer
from backfilld.domain.backfill_settings import BackfillSettings, Order, Reprocess, Start
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.windows.weekly import WEEKDAYS
from backfilld.operations.backfills.view import BackfillView

FilterShown = Annotated[Any, WithJsonSchema({"anyOf": [FILTER_SCHEMA, {"type": "null"}]})]
WindowsShown = Annotated[Any, WithJsonSchema({"anyOf": [WINDOWS_SCHEMA, {"type": "null"}]})]


def number(value: Decimal | None) -> int | float | None:
    """A decimal as a JSON number, whole where it is whole."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def whole(value: float | None) -> int | float | None:
    """A number without a fraction where it has none."""
    return int(value) if value is not None and value.is_integer() else value


class StatusReasonAnswer(Answer):
    """Why nothing is starting, or not more."""

    code: ReasonCode
    message: str
    since: Instant
    until: Instant | None


class WindowAnswer(Answer):
    """`next_open_at` is the next opening, not the present one; null if none comes within 400 days."""

    open: bool
    next_open_at: Instant | None
    closes_at: Instant | None
    override_until: Instant | None = Field(
        description="Until then it is open whatever its windows say; null: they alone count.",
        examples=["2027-03-14T09:00:00Z"],
    )


class BackfillErrorAnswer(Answer):
    """Why a backfill itself could not go on."""

    code: str = Field(examples=["source_broken"])
    message: str = Field(examples=["the query has no column 'id'"])


class RangeAnswer(Answer):
    """Between when and when it will have ended: at the rates of its fastest and of its slowest minutes."""

    earliest: Instant = Field(description="As fast as the fastest quarter of its minutes.")
    latest: Instant = Field(description="As slow as the slowest quarter of them.")


class ChildAnswer(Answer):
    """A rerun of a backfill."""

    id: UUID
    status: Status


class BackfillAnswer(Answer):
    """A backfill. processed = succeeded + failed + skipped, and
    total = processed + cancelled + in_flight + retrying + pending, always."""

    id: UUID
    kind: Literal["entities", "schedule"]
    parent_backfill_run_id: UUID | None
    children: list[ChildAnswer] = Field(description="The newest 100 of its reruns, oldest first.")
    status: Status
    status_reason: StatusReasonAnswer | None
    entity_type: str | None
    filter_spec: FilterShown
    filter_resolved: FilterShown = Field(description="Normalised, with relative dates resolved; null for a rerun.")
    daily_execution_windows: WindowsShown
    effective_windows: WindowsShown = Field(description="Sorted and merged; null: always open.")
    timezone: str
    excluded_dates: list[date]
    max_in_flight: int
    max_attempts: int
    target_workflow_id: int
    target_workflow_name: str
    workflow_version: int
    schedule_id: int | None = Field(description="Only of kind schedule, as the three below.")
    session_from: Instant | None = Field(description="The first session time.")
    session_to: Instant | None = Field(description="All session times are earlier.")
    stop_on_failure: bool = Field(description="A session that fails pauses the rest.")
    total_estimated: int | None
    total_entities: int | None = Field(description="null until planned.")
    to_run_count: int | None = Field(description="Without those that planning skipped; null until planned.")
    processed_count: int
    succeeded_count: int
    failed_count: int
    skipped_count: int
    cancelled_count: int
    in_flight_count: int
    retrying_count: int
    pending_count: int
    window: WindowAnswer
    throughput_per_minute: float | None
    rate_while_open_per_minute: float | None = Field(
        description="Ended a minute, over the last hour of time in which it might work; null: not known, or ended.",
        examples=[132.5],
    )
    estimated_completion_at: Instant | None
    estimated_completion_range: RangeAnswer | None = Field(
        description="null: less than 30 minutes of such time are known, or nothing can start."
    )
    credits_used: float
    name: str | None
    reason: str | None
    start: Start
    entity_ids: list[str] | None = Field(description="The first 100; null: whatever matches.")
    entity_ids_count: int | None
    entity_ids_digest: str | None = Field(description="SHA-256 of all ids in their order, a line each, in hex.")
    order: Order
    reprocess_behavior: Reprocess
    rehearsal: bool
    sample_size: int | None
    starts_per_minute: float | None
    failure_policy: FailurePolicyAnswer | None = Field(
        description="null: it has none, as those of kind schedule and those from before there were any."
    )
    max_credits: float | None
    slow_down: SlowDownAnswer | None = Field(description="null: the target's latency is not followed")
    recheck: bool = Field(description="Whether the filter is asked again right before each first start.")
    params: dict[str, Any]
    created_by: str
    created_by_name: str | None = Field(
        description="The name of the key that made it; null for anybody else.", examples=["nightly"]
    )
    created_at: Instant
    approved_by: str | None = Field(description="Who approved what was held by `start`.", examples=["key:<uuid>"])
    approved_at: Instant | None = Field(description="When that was.", examples=["2026-03-01T09:00:00Z"])
    ledger_digest: str | None = Field(
        description="SHA-256 over the ledger, in hex; null until a moment after the end.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )
    updated_at: Instant
    started_at: Instant | None = Field(description="When its first entity was started.")
    completed_at: Instant | None
    error: BackfillErrorAnswer | None
    version: int = Field(description="Grows with settings and status, not with counters.")

    @classmethod
    def of(cls, view: BackfillView) -> Self:
        return cls.model_construct(**_settings(view), **_standing(view))

    def news(self, before: Self | None) -> dict[str, Any]:
        """What there is to tell to somebody who knows `before`: how it stands, and which settings are others now."""
        now = self.__dict__
        if before is None:
            return now
        old = before.__dict__
        return {name: value for name, value in now.items() if name in MOVING or value != old[name]}


def _settings(view: BackfillView) -> dict[str, Any]:
    backfill = view.backfill
    ids = backfill.named_ids
    return {name: getattr(backfill.settings, name) for name in _CHOSEN} | {
        "daily_execution_windows": _all_days(backfill.settings.daily_execution_windows),
        "id": backfill.id,
        "kind": backfill.kind,
        "parent_backfill_run_id": backfill.parent_id,
        "children": [ChildAnswer(id=child.id, status=child.status) for child in backfill.children],
        "filter_resolved": backfill.filter_resolved,
        "effective_windows": view.effective_windows,
        "slow_down": SlowDownAnswer.of_setting(backfill.settings.slow_down),
        "failure_policy": FailurePolicyAnswer.of(backfill.settings.failure_policy),
        "starts_per_minute": whole(backfill.settings.starts_per_minute),
        "max_credits": whole(backfill.settings.max_credits),
        "excluded_dates": sorted(backfill.settings.excluded_dates),
        "target_workflow_id": backfill.workflow_id,
        "target_workflow_name": backfill.workflow_name,
        "workflow_version": backfill.workflow_version,
        "schedule_id": backfill.schedule_id,
        "session_from": backfill.session_from,
        "session_to": backfill.session_to,
        "entity_ids": None if ids is None else list(ids.first),
        "entity_ids_count": None if ids is None else ids.count,
        "entity_ids_digest": None if ids is None else ids.digest,
        "created_by": backfill.created_by,
        "created_by_name": backfill.created_by_name,
        "created_at": backfill.created_at,
        "approved_by": backfill.approved_by,
        "approved_at": backfill.approved_at,
        "ledger_digest": backfill.ledger_digest,
    }


def _all_days(written: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The windows as they were sent, with the closed days that were left out, or null."""
    if written is None:
        return None
    days = {day: written.get(day) or [] for day in WEEKDAYS}
    return days | {name: written[name] for name in written.keys() - days.keys()}


_CHOSEN = tuple(f.name for f in fields(BackfillSettings))


def _standing(view: BackfillView) -> dict[str, Any]:
    backfill, counts, reason, window = view.backfill, view.counts, view.reason, view.window
    return {
        "status": backfill.status,
        "status_reason": reason
        and StatusReasonAnswer(code=reason.code, message=reason.message, since=reason.since, until=reason.until),
        "total_entities": counts.total if view.planned else None,
        "to_run_count": counts.to_run if view.planned else None,
        "processed_count": counts.processed,
        "succeeded_count": counts.succeeded,
        "failed_count": counts.failed,
        "skipped_count": counts.skipped,
        "cancelled_count": counts.cancelled,
        "in_flight_count": counts.in_flight,
        "retrying_count": counts.retrying,
        "pending_count": counts.pending,
        "window": WindowAnswer(
            open=window.open,
            next_open_at=window.next_open_at,
            closes_at=window.closes_at,
            override_until=window.override_until,
        ),
        "throughput_per_minute": view.throughput_per_minute,
        "rate_while_open_per_minute": view.rate_while_open_per_minute,
        "estimated_completion_at": view.estimated_completion_at,
        "estimated_completion_range": view.completion_range
        and RangeAnswer(earliest=view.completion_range[0], latest=view.completion_range[1]),
        "credits_used": number(view.progress.credits_used),
        "started_at": view.progress.started_at,
        "updated_at": backfill.updated_at,
        "completed_at": backfill.completed_at,
        "error": None if backfill.error is None else BackfillErrorAnswer.model_construct(**backfill.error),
        "version": backfill.version,
    }


MOVING = frozenset(
    {
        "id",
        "status",
        "status_reason",
        "window",
        "throughput_per_minute",
        "rate_while_open_per_minute",
        "estimated_completion_at",
        "estimated_completion_range",
        "credits_used",
    }
    | {"started_at", "updated_at", "completed_at", "error", "version", "total_entities", "to_run_count"}
    | {f"{what}_count" for what in ("processed", "succeeded", "failed", "skipped", "cancelled")}
    | {f"{what}_count" for what in ("in_flight", "retrying", "pending")}
)
