"""Schedules over the dialect: looked at, backfilled, enabled, disabled, skipped."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from backfilld.api.digdag import shapes
from backfilld.api.digdag.times import Moment, MomentText
from backfilld.api.framework.reading.fields import WHOLE
from backfilld.api.framework.reading.lenient_models import LastId, LenientBody
from backfilld.api.framework.reading.reasons import Reason
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.bodies import WINDOWS_SCHEMA
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.operations.schedules.overview import SessionMark
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfills
from backfilld.operations.sessions.request import MOST_IN_FLIGHT, ScheduleBackfillRequest

TAG = "digdag: schedules"
Number = Annotated[int, WHOLE]
Windows = Annotated[dict[str, Any], WithJsonSchema(WINDOWS_SCHEMA)]


class BackfillSchedule(LenientBody):
    """Which sessions to run, and how."""

    dry_run: bool = Field(description="true: say what would be made, and make nothing")
    from_time: Moment | None = Field(None, description="the first run time is this or later")
    attempt_name: str | None = Field(None, description="of every attempt; guards against running a backfill twice")
    count: Number | None = Field(None, description="the oldest so many")
    skip_existing: bool | None = Field(None, description="leave out sessions that have any attempt")
    advance_schedule: bool | None = Field(None, description="cover what should have run by now, then move the schedule")
    to_time: Moment | None = Field(None, description="session times are earlier")
    max_in_flight: Number | None = Field(None, description=f"1 (the default: a serial chain) to {MOST_IN_FLIGHT}")
    daily_execution_windows: Windows | None = Field(None, description="as of a backfill over entities")
    window_timezone: str | None = Field(None, description="IANA name; default: the workflow's")
    stop_on_failure: bool | None = Field(None, description="a session that fails pauses the rest")
    skip_succeeded: bool | None = Field(None, description="leave out sessions whose newest attempt succeeded")
    plan_digest: str | None = Field(None, description="of a dry run: make exactly what that showed, else 409")


_WHY: Any = Field(None, description="why; kept in the audit log")


class DisableSchedule(LenientBody):
    """Why. May be left out altogether."""

    reason: Reason | None = _WHY


class EnableSchedule(LenientBody):
    """How to go on."""

    skip_schedule: bool | None = Field(None, description="false: everything that was missed runs at once")
    next_time: MomentText | None = Field(None, description="skip to this run time; default: now")
    reason: Reason | None = _WHY


class SkipSchedule(LenientBody):
    """Where to go on: at `nextTime`, or `count` slots behind `fromTime`."""

    dry_run: bool = Field(description="true: only say where it would stand")
    next_time: MomentText | None = None
    from_time: MomentText | None = None
    count: Number | None = None
    next_run_time: MomentText | None = None
    reason: Reason | None = _WHY


class OfProject(LastId):
    workflow: str | None = Field(None, description="only the schedule of this workflow")


class ScheduleRoutes:
    """The handlers."""

    def __init__(self, reading: ScheduleReading, steering: ScheduleOperations, backfills: ScheduleBackfills) -> None:
        self._reading = reading
        self._steering = steering
        self._backfills = backfills

    async def list(self, asked: RequestContext[None, LastId]) -> Reply:
        found = await self._reading.list_all(after=asked.query.last_id, limit=asked.query.page_size)
        return _all(found)

    async def list_of_project(self, asked: RequestContext[None, OfProject]) -> Reply:
        query = asked.query
        found = await self._reading.list_of_project(
            asked.path["id"], workflow=query.workflow, after=query.last_id, limit=query.page_size
        )
        return _all(found)

    async def show(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(shapes.schedule(await self._reading.get(asked.path["id"])))

    async def backfill(self, asked: RequestContext[BackfillSchedule, None]) -> Reply:
        answer = await self._backfills.run(asked.actor, asked.path["id"], _request(asked.body))
        stored = answer.schedule
        return Reply({
            "id": str(stored.id),
            "project": shapes.named(stored.project_id, stored.project_name),
            "workflow": shapes.named(stored.revision_id, stored.workflow_name),
            "attempts": [shapes.attempt(attempt) for attempt in answer.attempts],
            "backfillId": None if answer.backfill_id is None else str(answer.backfill_id),
            "nextScheduleTime": shapes.local(answer.next_session_at, stored.timezone),
            "planDigest": answer.plan_digest,
            "leftOut": None if answer.left_out is None else [_left_out(one, stored) for one in answer.left_out],
        })  # fmt: skip

    async def enable(self, asked: RequestContext[EnableSchedule | None, None]) -> Reply:
        body = asked.body or EnableSchedule.model_validate({})
        skips = True if body.skip_schedule is None else body.skip_schedule
        stored = await self._steering.enable(
            asked.actor, asked.path["id"], skip_schedule=skips, next_time=body.next_time, why=body.reason
        )
        return Reply(shapes.schedule_summary(stored))

    async def disable(self, asked: RequestContext[DisableSchedule | None, None]) -> Reply:
        why = asked.body.reason if asked.body else None
        return Reply(shapes.schedule_summary(await self._steering.disable(asked.actor, asked.path["id"], why=why)))

    async def skip(self, asked: RequestContext[SkipSchedule, None]) -> Reply:
        body = asked.body
        stored = await self._steering.skip(
            asked.actor,
            asked.path["id"],
            next_time=body.next_time,
            from_time=body.from_time,
            count=body.count,
            next_run_time=body.next_run_time,
            dry_run=body.dry_run,
            why=body.reason,
        )
        return Reply(shapes.schedule_summary(stored))


def _left_out(mark: SessionMark, stored: StoredSchedule) -> dict[str, str]:
    return {
        "sessionTime": shapes.local(mark.session_time, stored.timezone),
        "sessionId": str(mark.session_id),
        "attemptId": str(mark.attempt_id),
        "status": mark.status.value,
    }


def _request(body: BackfillSchedule) -> ScheduleBackfillRequest:
    return ScheduleBackfillRequest(
        dry_run=body.dry_run,
        from_time=body.from_time,
        attempt_name=body.attempt_name,
        count=body.count,
        skip_existing=bool(body.skip_existing),
        advance_schedule=bool(body.advance_schedule),
        to_time=body.to_time,
        max_in_flight=1 if body.max_in_flight is None else body.max_in_flight,
        windows=body.daily_execution_windows,
        window_timezone=body.window_timezone,
        stop_on_failure=bool(body.stop_on_failure),
        skip_succeeded=bool(body.skip_succeeded),
        plan_digest=body.plan_digest,
    )


def _all(found: Any) -> Reply:
    return Reply(shapes.listed("schedules", [shapes.schedule(one) for one in found]))


def routes(reading: ScheduleReading, steering: ScheduleOperations, backfills: ScheduleBackfills) -> list[Route]:
    """Viewers look, operators steer."""
    does = ScheduleRoutes(reading, steering, backfills)
    ids: Mapping[str, type] = {"id": int}
    one = "/api/schedules/{id}"
    summary = shapes.ScheduleSummaryShape
    all_routes = [
        Route("GET", "/api/schedules", does.list, "viewer", "List schedules", shapes.SchedulesShape, query=LastId),
        Route("GET", one, does.show, "viewer", "Show a schedule", shapes.ScheduleShape, path_types=ids),
        Route("GET", "/api/projects/{id}/schedules", does.list_of_project, "viewer", "List the schedules of a project",
              shapes.SchedulesShape, query=OfProject, path_types=ids),
        Route("POST", one + "/backfill", does.backfill, "operator", "Run a schedule for past times",
              shapes.BackfillShape, body=BackfillSchedule, path_types=ids, errors=(409,),
              description="All sessions are made in one transaction, and run as one durable backfill."),
        Route("POST", one + "/enable", does.enable, "operator", "Enable a schedule", summary, body=EnableSchedule,
              body_optional=True, path_types=ids, description="Skips what was missed, unless told otherwise."),
        Route("POST", one + "/disable", does.disable, "operator", "Disable a schedule", summary, body=DisableSchedule,
              body_optional=True, path_types=ids),
        Route("POST", one + "/skip", does.skip, "operator", "Skip sessions of a schedule", summary, body=SkipSchedule,
              path_types=ids, errors=(409,)),
    ]  # fmt: skip
    return [replace(route, tag=TAG) for route in all_routes]
