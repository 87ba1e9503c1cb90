"""The preview of windows: what they come to in UTC and in local time, clock changes included."""

from datetime import date
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema

from backfilld.api.framework.reading.fields import (
    WHOLE,
    Answer,
    Body,
    FaultsFound,
    Instant,
    InstantShown,
    LocalDate,
    ZoneName,
)
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.bodies import WINDOWS_SCHEMA
from backfilld.clock import Clock
from backfilld.domain.backfill_settings import MOST_EXCLUDED_DATES
from backfilld.domain.windows.openings import Calendar, Opening
from backfilld.domain.windows.timezones import find_zone
from backfilld.domain.windows.weekly import parse_windows
from backfilld.domain.windows.zone_hints import zone_warnings
from backfilld.operations import windows as operations
from backfilld.operations.windows import MOST_DAYS


def _windows(value: Any) -> Any:
    _, faults, _ = parse_windows(value, "")
    if faults:
        raise FaultsFound(faults)
    return value


class PreviewWindows(Body):
    """Windows, and the days to look at."""

    daily_execution_windows: Annotated[Any, BeforeValidator(_windows), WithJsonSchema(WINDOWS_SCHEMA)]
    timezone: ZoneName = "UTC"
    excluded_dates: Annotated[list[LocalDate], Field(max_length=MOST_EXCLUDED_DATES)] = Field(
        default_factory=list, description="Local dates on which no window starts."
    )
    at: Instant | None = Field(None, description="Left out: now.")
    days: Annotated[int, Field(ge=1, le=MOST_DAYS, description="Of 24 hours each."), WHOLE] = 7


class IntervalAnswer(Answer):
    """Open from `opens_at` until just before `closes_at`."""

    opens_at: Instant
    closes_at: Instant
    opens_at_local: InstantShown
    closes_at_local: InstantShown

    @classmethod
    def of(cls, opening: Opening, calendar: Calendar) -> Self:
        return cls.model_construct(
            opens_at=opening.opens_at,
            closes_at=opening.closes_at,
            opens_at_local=calendar.local(opening.opens_at),
            closes_at_local=calendar.local(opening.closes_at),
        )


class WindowsData(Answer):
    """What the windows come to."""

    open: bool = Field(description="at the instant asked about")
    next_open_at: Instant | None = Field(description="the start of the next opening; null if none within 400 days")
    closes_at: Instant | None = Field(description="null when closed, or if nothing closes within 400 days")
    effective_windows: Annotated[Any, WithJsonSchema(WINDOWS_SCHEMA)] = Field(description="sorted and merged")
    intervals: list[IntervalAnswer] = Field(description="clipped to the days that were asked for")
    notes: list[str] = Field(description="what changes of clocks do to the windows in these days")


def routes(clock: Clock) -> list[Route]:
    """`clock` says what now is."""

    async def preview(asked: RequestContext[PreviewWindows, None]) -> Reply:
        body = asked.body
        calendar, warnings = _calendar(body.daily_execution_windows, body.timezone, frozenset(body.excluded_dates))
        found = operations.preview(calendar, at=body.at or clock.now(), days=body.days)
        data = WindowsData.model_construct(
            open=found.state.open,
            next_open_at=found.state.next_open_at,
            closes_at=found.state.closes_at,
            effective_windows=found.effective,
            intervals=[IntervalAnswer.of(opening, calendar) for opening in found.intervals],
            notes=found.notes,
        )
        if "timezone" not in body.model_fields_set:
            warnings = [*warnings, "no timezone was given: the windows are read as UTC"]
        return Reply(data, warnings=[*zone_warnings(body.timezone), *warnings, *found.warnings])

    summary = "Say when windows are open"
    return [
        Route("POST", "/public-api/windows/preview", preview, "viewer", summary, WindowsData, body=PreviewWindows,
              tag="Windows", description="Creates nothing."),
    ]  # fmt: skip


def _calendar(windows: Any, timezone: str, excluded: frozenset[date]) -> tuple[Calendar, list[str]]:
    weekly, _, warnings = parse_windows(windows, "")
    zone = find_zone(timezone)
    assert weekly is not None  # noqa: S101  # the body's validators have seen both
    assert zone is not None  # noqa: S101
    return Calendar(weekly, zone, excluded), warnings
