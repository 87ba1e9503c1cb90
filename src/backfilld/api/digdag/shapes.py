"""Things as the dialect shows them.

Every list and object of the dialect is made here, because its clients crash on keys that they do not know inside of
`attempts`, `lastAttempt`, `project` and `workflow`, and on ids that are missing there. The models are what the document
shows; what is sent are plain dictionaries of the same keys, since an answer may hold ten thousand of them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache
from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from backfilld.api.digdag.stand_ins import spelled, survivable
from backfilld.api.framework.answering.rows import StandIn
from backfilld.api.framework.reading.fields import Answer, InstantShown, InstantShownOrNull
from backfilld.domain.errors import Fault
from backfilld.domain.schedules import parse_schedule_zone
from backfilld.domain.sessions.records import Attempt, AttemptStatus, StoredSchedule

Json = dict[str, Any]
UuidShown = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]


class Shape(Answer):
    """A part of an answer of the dialect."""

    model_config = ConfigDict(
        frozen=True, json_schema_serialization_defaults_required=True, alias_generator=to_camel,
        serialize_by_alias=True, populate_by_name=True,
    )  # fmt: skip


class NamedShape(Shape):
    """A project or a workflow inside of something else: no more than this, or clients crash."""

    id: str
    name: str


class AttemptShape(Shape):
    """One run of a session."""

    id: str
    index: int
    project: NamedShape
    workflow: NamedShape
    session_id: str
    session_uuid: UuidShown
    session_time: InstantShown = Field(description="with the offset of the workflow's zone")
    retry_attempt_name: str = Field(description="empty: unnamed")
    done: bool
    success: bool
    cancel_requested: bool
    params: dict[str, Any]
    created_at: InstantShown
    finished_at: InstantShownOrNull
    status: AttemptStatus


class AttemptsShape(Shape):
    attempts: list[AttemptShape]


class LastAttemptShape(Shape):
    """The last attempt inside of its session."""

    id: str
    retry_attempt_name: str
    done: bool
    success: bool
    cancel_requested: bool
    params: dict[str, Any]
    created_at: InstantShown
    finished_at: InstantShownOrNull
    status: AttemptStatus


class SessionShape(Shape):
    """One slot of a workflow that was run."""

    id: str
    project: NamedShape
    workflow: NamedShape
    session_uuid: UuidShown
    session_time: InstantShown
    last_attempt: LastAttemptShape


class SessionsShape(Shape):
    sessions: list[SessionShape]


class TruncatedShape(Shape):
    """A session time, and where it holds."""

    project: NamedShape
    revision: str
    session_time: InstantShown
    timezone: str


class ScheduleShape(Shape):
    """A schedule, and where it stands."""

    id: str
    project: NamedShape
    workflow: NamedShape
    next_run_time: InstantShown
    next_schedule_time: InstantShown = Field(
        description="a session time; 9999-01-01T00:00:00Z, with the zone's offset, when the schedule is finished"
    )
    disabled_at: InstantShownOrNull


class ScheduleSummaryShape(ScheduleShape):
    created_at: InstantShown
    updated_at: InstantShown


class SchedulesShape(Shape):
    schedules: list[ScheduleShape]


class LeftOutShape(Shape):
    """A session that a backfill would pass over, and how its newest attempt stands."""

    session_time: InstantShown
    session_id: str
    attempt_id: str
    status: AttemptStatus


class BackfillShape(Shape):
    """What a backfill made, or would make."""

    id: str = Field(description="of the schedule")
    project: NamedShape
    workflow: NamedShape
    attempts: list[AttemptShape]
    backfill_id: str | None = Field(
        description="the durable backfill, to be watched and steered under /public-api/backfills; null if none was made"
    )
    next_schedule_time: InstantShown = Field(description="where the schedule stands afterwards")
    plan_digest: str = Field(description="sent back, it makes exactly this, or nothing: 409")
    left_out: list[LeftOutShape] | None = Field(description="in a dry run, sessions that are passed over; else null")


def named(id: int, name: str) -> Json:
    return {"id": str(id), "name": name}


@lru_cache(maxsize=100)  # the attempts of one request were all made at once
def instant(at: datetime) -> str:
    """UTC, whole seconds."""
    try:
        return at.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"
    except (OverflowError, ValueError):
        return spelled(at).replace("+00:00", "Z")


def optional_instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def local(at: datetime, timezone: str) -> str:
    """With the offset of a zone, the end of time too."""
    try:
        return at.astimezone(_zone(timezone)).isoformat(timespec="seconds")
    except (OverflowError, ValueError):  # where the zone would carry it beyond the calendar
        return spelled(at)


@cache  # of the few that workflows have
def _zone(timezone: str) -> tzinfo:
    zone = parse_schedule_zone(timezone, "")
    return UTC if isinstance(zone, Fault) else zone


@survivable(AttemptShape)
def attempt(one: Attempt) -> Json:
    """An attempt, wherever it stands."""
    return {
        "id": str(one.id),
        "index": one.index,
        "project": named(one.project_id, one.project_name),
        "workflow": named(one.revision_id, one.workflow_name),
        "sessionId": str(one.session_id),
        "sessionUuid": str(one.session_uuid),
        "sessionTime": local(one.session_time, one.timezone),
        "retryAttemptName": one.name,
        "done": one.finished_at is not None,
        "success": one.succeeded,
        "cancelRequested": one.cancel_requested_at is not None,
        "params": one.params,
        "createdAt": instant(one.created_at),
        "finishedAt": optional_instant(one.finished_at),
        "status": one.status.value,
    }


_OF_LAST = (
    "id", "retryAttemptName", "done", "success", "cancelRequested", "params", "createdAt", "finishedAt", "status",
)  # fmt: skip


def session(last: Attempt) -> Json:
    """A session, told by its last attempt."""
    shown = attempt(last)
    whole = {
        "id": shown["sessionId"],
        "project": shown["project"],
        "workflow": shown["workflow"],
        "sessionUuid": shown["sessionUuid"],
        "sessionTime": shown["sessionTime"],
        "lastAttempt": {name: shown[name] for name in _OF_LAST},
    }
    return StandIn(whole, str(last.session_id)) if isinstance(shown, StandIn) else whole


@survivable(ScheduleShape)
def schedule(stored: StoredSchedule) -> Json:
    return {
        "id": str(stored.id),
        "project": named(stored.project_id, stored.project_name),
        "workflow": named(stored.revision_id, stored.workflow_name),
        "nextRunTime": instant(stored.next_run_at),
        "nextScheduleTime": local(stored.next_session_at, stored.timezone),
        "disabledAt": optional_instant(stored.disabled_at),
    }


@survivable(ScheduleSummaryShape)
def schedule_summary(stored: StoredSchedule) -> Json:
    """After a change."""
    return schedule(stored) | {"createdAt": instant(stored.created_at), "updatedAt": instant(stored.updated_at)}


def listed(name: str, things: list[Json]) -> Mapping[str, Any]:
    """A list is an object with one key."""
    return {name: things}
