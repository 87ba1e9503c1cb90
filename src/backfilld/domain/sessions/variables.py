"""What a task is told about the slot that it runs: the built-in variables of the dialect.

All of them are texts. Times are those of the workflow's zone; a user's parameter of the same name loses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from uuid import UUID

from backfilld.domain.schedules import FINISHED_AT, Schedule

LAST_EXECUTED = "last_executed_session_time"


@dataclass(frozen=True, slots=True)
class Run:
    """The attempt of which the variables tell. `schedule` is None for a workflow without one."""

    project_id: int
    workflow_name: str
    session_id: int
    session_uuid: UUID
    session_time: datetime
    attempt_id: int
    attempt_name: str
    timezone: str
    zone: tzinfo
    schedule: Schedule | None
    last_executed: datetime | None
    task: str | None = None  # its name in the workflow, where it has one


def task_name(workflow_name: str, task: str | None) -> str:
    """The name of the one task of a workflow as digdag writes it, from the workflow down."""
    return f"+{workflow_name}" if task is None else f"+{workflow_name}+{task}"


def session_variables(run: Run) -> dict[str, str]:
    """Every variable of one attempt."""
    variables = {
        "timezone": run.timezone,
        "session_uuid": str(run.session_uuid),
        "session_id": str(run.session_id),
        **_times("session", run.session_time, run.zone),
        "project_id": str(run.project_id),
        "attempt_id": str(run.attempt_id),
        "retry_attempt_name": run.attempt_name,
        "task_name": task_name(run.workflow_name, run.task),
    }
    if run.schedule is None:
        return variables
    before, after = run.schedule.previous(run.session_time), run.schedule.next(run.session_time)
    return {
        **variables,
        **_times("last_session", before.session_time if before else None, run.zone, at=run.session_time),
        **_times("next_session", after.session_time if after else FINISHED_AT, run.zone),
        **_times("last_executed_session", run.last_executed, run.zone, at=run.session_time),
    }


def params_of_slot(schedule: Schedule, session_time: datetime, last_executed: datetime | None) -> dict[str, Any]:
    """What the attempts of a scheduled or backfilled slot have as params: the slots beside it, and the last one run."""
    before, after = schedule.previous(session_time), schedule.next(session_time)
    return slot_params(
        before.session_time if before else None,
        after.session_time if after else None,
        last_executed,
        lambda at: local_text(at, schedule.zone),
    )


def slot_params(
    before: datetime | None, after: datetime | None, last_executed: datetime | None, text: Callable[[datetime], str]
) -> dict[str, Any]:
    """The same for a slot whose neighbours are known (None: there is no such slot); `text` writes an instant."""
    params = {"next_session_time": text(after or FINISHED_AT)}
    if before is not None:
        params["last_session_time"] = text(before)
    if last_executed is not None:
        params[LAST_EXECUTED] = text(last_executed)
    return params


def local_text(at: datetime, zone: tzinfo) -> str:
    """`2016-01-01T00:00:00+09:00`; UTC as `+00:00`."""
    if at == FINISHED_AT:
        return FINISHED_AT.isoformat()
    return at.astimezone(zone).isoformat()


def _times(prefix: str, time: datetime | None, zone: tzinfo, *, at: datetime | None = None) -> dict[str, str]:
    """One instant in all the forms that are offered; without one they are empty, all but the offset (of `at`)."""
    if time is None:
        names = ("time", "date", "date_compact", "local_time", "unixtime")
        offset = {} if at is None else {f"{prefix}_tz_offset": at.astimezone(zone).strftime("%z")}
        return {f"{prefix}_{name}": "" for name in names} | offset
    local = time if time == FINISHED_AT else time.astimezone(zone)
    return {
        f"{prefix}_time": local_text(time, zone),
        f"{prefix}_date": local.strftime("%Y-%m-%d"),
        f"{prefix}_date_compact": local.strftime("%Y%m%d"),
        f"{prefix}_local_time": local.strftime("%Y-%m-%d %H:%M:%S"),
        f"{prefix}_tz_offset": local.strftime("%z"),
        f"{prefix}_unixtime": str(int(time.timestamp())),
    }
