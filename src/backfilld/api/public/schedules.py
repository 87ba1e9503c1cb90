"""The preview of a schedule: its sessions in UTC and in local time, clock changes included."""

import asyncio
from datetime import datetime, tzinfo
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails

from backfilld.api.framework.reading.fields import WHOLE, Answer, Body, FaultsFound, Instant, InstantShown
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.domain.errors import Fault
from backfilld.domain.schedules import Schedule, Slot, parse_schedule, parse_schedule_zone
from backfilld.domain.windows.zone_hints import zone_warnings
from backfilld.operations.schedules import preview as operations
from backfilld.operations.schedules.preview import MOST_SESSIONS, Where

PLACES: tuple[Where, ...] = ("from", "after", "before")
SCHEDULE_SCHEMA = {
    "type": "object",
    "description": "One of hourly>, daily>, weekly>, monthly>, minutes_interval>, seconds_interval> and cron>, with"
    " start, end, skip_on_overtime and skip_delayed_by; delay beside the intervals and cron>.",
    "examples": [{"daily>": "07:00:00"}, {"cron>": "30 7 * * mon-fri", "start": "2027-03-01"}],
}


def _definition(value: Any) -> Any:
    _, faults = parse_schedule(value, "")
    if faults:
        raise FaultsFound(faults)
    return value


def _zone(value: str) -> str:
    zone = parse_schedule_zone(value, "")
    if isinstance(zone, Fault):
        raise FaultsFound([zone])
    return value


class PreviewSchedule(Body):
    """A schedule, and where to look: exactly one of from, after and before."""

    schedule: Annotated[Any, BeforeValidator(_definition), WithJsonSchema(SCHEDULE_SCHEMA)]
    timezone: Annotated[str, AfterValidator(_zone)] = Field("UTC", description="IANA name, or an offset as +09:00.")
    count: Annotated[int, Field(ge=1, le=MOST_SESSIONS), WHOLE] = 10
    from_: Instant | None = Field(None, alias="from", description="The first run time is this or later.")
    after: Instant | None = Field(None, description="The first session time is later.")
    before: Instant | None = Field(
        None, description="The first session time is earlier, and so on backwards; start and end do not count."
    )

    @model_validator(mode="wrap")
    @classmethod
    def _one_place(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """The places are counted whatever else is wrong, so that all faults are told at once."""
        faults = _faults_of_places(value)
        try:
            body = handler(value)
        except ValidationError as problem:
            raise _with(problem, faults, value) from None
        if faults:
            raise FaultsFound(faults)
        return body

    @property
    def place(self) -> tuple[Where, datetime]:
        """Which of the three was given, and its instant."""
        given: list[tuple[Where, datetime | None]] = list(
            zip(PLACES, (self.from_, self.after, self.before), strict=True)
        )
        return next((where, at) for where, at in given if at is not None)


def _faults_of_places(value: Any) -> list[Fault]:
    given = [place for place in PLACES if isinstance(value, dict) and value.get(place) is not None]
    if isinstance(value, dict) and not given:
        return [Fault("", "missing", f"needs one of {', '.join(PLACES)}", PLACES)]
    message = "only one of from, after and before may be given"
    return [Fault(f"/{place}", "conflicting", message) for place in given[1:]]


def _with(problem: ValidationError, faults: list[Fault], value: Any) -> ValidationError:
    errors = [
        InitErrorDetails(type=error["type"], loc=error["loc"], input=error["input"], ctx=error.get("ctx", {}))
        for error in problem.errors(include_url=False)
    ]
    if faults:
        errors.append(InitErrorDetails(type="value_error", loc=(), input=value, ctx={"error": FaultsFound(faults)}))
    return ValidationError.from_exception_data(problem.title, errors)


class SessionAnswer(Answer):
    """One slot of a schedule."""

    session_time: Instant = Field(description="which slot it is")
    run_time: Instant = Field(description="when it runs")
    session_time_local: InstantShown = Field(description="the session time as the zone's clocks show it")

    @classmethod
    def of(cls, slot: Slot, zone: tzinfo) -> Self:
        return cls.model_construct(
            session_time=slot.session_time,
            run_time=slot.run_time,
            session_time_local=slot.session_time.astimezone(zone).isoformat(),
        )


class ScheduleData(Answer):
    """What the schedule comes to."""

    sessions: list[SessionAnswer] = Field(description="in the order asked for; fewer than `count` if it ends")


def routes() -> list[Route]:
    """Nothing is needed but what a caller sends."""
    return [
        Route("POST", "/public-api/schedules/preview", _preview, "viewer", "Say when a schedule fires", ScheduleData,
              body=PreviewSchedule, tag="Schedules", description="Creates nothing."),
    ]  # fmt: skip


async def _preview(asked: RequestContext[PreviewSchedule, None]) -> Reply:
    body = asked.body
    schedule = _schedule(body)
    where, at = body.place
    # In a thread: a thousand rare sessions may take some tenths of a second, and nobody should wait for them.
    slots = await asyncio.to_thread(operations.preview, schedule, where, at, body.count)
    data = ScheduleData.model_construct(sessions=[SessionAnswer.of(slot, schedule.zone) for slot in slots])
    return Reply(data, warnings=list(_warnings(body, schedule, where)))


def _schedule(body: PreviewSchedule) -> Schedule:
    zone = parse_schedule_zone(body.timezone, "")
    assert not isinstance(zone, Fault)  # noqa: S101  # the body's validators have seen both
    schedule, _ = parse_schedule(body.schedule, "", zone)
    assert schedule is not None  # noqa: S101
    return schedule


def _warnings(body: PreviewSchedule, schedule: Schedule, where: Where) -> list[str]:
    warnings = zone_warnings(body.timezone)
    if "timezone" not in body.model_fields_set:
        warnings.append("no timezone was given: the schedule is read as UTC")
    if where == "before" and (schedule.start or schedule.end):
        warnings.append("start and end are left out of account when looking backwards")
    return warnings
