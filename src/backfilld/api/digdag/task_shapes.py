"""The one task of an attempt, as the dialect lists tasks."""

from typing import Any, Literal

from backfilld.api.digdag.shapes import Json, Shape, instant, optional_instant
from backfilld.api.digdag.stand_ins import survivable
from backfilld.api.framework.reading.fields import InstantShown, InstantShownOrNull
from backfilld.domain.sessions.records import Attempt, AttemptStatus

TaskState = Literal["blocked", "ready", "running", "success", "error", "canceled"]
_STATES: dict[AttemptStatus, TaskState] = {
    AttemptStatus.BLOCKED: "blocked",
    AttemptStatus.QUEUED: "ready",
    AttemptStatus.RUNNING: "running",
    AttemptStatus.CANCELING: "running",
    AttemptStatus.SUCCESS: "success",
    AttemptStatus.ERROR: "error",
    AttemptStatus.KILLED: "canceled",
}


class TaskShape(Shape):
    """What an attempt does."""

    id: str
    full_name: str
    parent_id: str | None
    config: dict[str, Any]
    upstreams: list[str]
    is_group: bool
    group: bool
    state: TaskState
    cancel_requested: bool
    export_params: dict[str, Any]
    store_params: dict[str, Any]
    state_params: dict[str, Any]
    updated_at: InstantShown
    retry_at: InstantShownOrNull
    started_at: InstantShownOrNull
    error: dict[str, Any]


class TasksShape(Shape):
    tasks: list[TaskShape]


@survivable(TaskShape)
def task(attempt: Attempt, name: str) -> Json:
    """The task of an attempt, which is called `name`."""
    latest = attempt.finished_at or attempt.running_since or attempt.created_at
    error = {"message": attempt.error, "class": attempt.error_class} if attempt.error_class else {}
    return {
        "id": str(attempt.id),
        "fullName": name,
        "parentId": None,
        "config": {},
        "upstreams": [],
        "isGroup": False,
        "group": False,
        "state": _STATES[attempt.status],
        "cancelRequested": attempt.cancel_requested_at is not None,
        "exportParams": {},
        "storeParams": {},
        "stateParams": {},
        "updatedAt": instant(latest),
        "retryAt": None,
        "startedAt": optional_instant(attempt.started_at),
        "error": error,
    }
