"""Schedules of a digdag server, and the sessions that have run there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from backfilld.executors.digdag.questions import PAGE, Questions, ServerProblem

MOST_SESSION_PAGES = 500


@dataclass(frozen=True, slots=True)
class TheirSchedule:
    """One as it stands there, with the newest definition of its workflow."""

    project_id: str
    schedule_id: str
    workflow_id: str
    timezone: str
    schedule: Mapping[str, Any]
    next_session_at: datetime
    next_run_at: datetime
    disabled_at: datetime | None


class Schedules:
    """Asks for them. ServerProblem; of kind `answered` where there is no such thing."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def find(self, project: str, workflow: str) -> TheirSchedule:
        """The schedule of a workflow."""
        found = _listed(await self._questions.get("/projects", {"name": project}), "projects")
        project_id = next((str(one["id"]) for one in found if one.get("name") == project), None)
        if project_id is None:
            raise ServerProblem("answered", f"there is no project {project!r} there", 404)
        listed = _listed(
            await self._questions.get(f"/projects/{project_id}/schedules", {"workflow": workflow}), "schedules"
        )
        stands = next((one for one in listed if _name(one) == workflow), None)
        if stands is None:
            raise ServerProblem(
                "answered", f"project {project!r} has no schedule of a workflow {workflow!r} there", 404
            )
        named = _listed(await self._questions.get(f"/projects/{project_id}/workflows", {"name": workflow}), "workflows")
        definition = next((one for one in named if one.get("name") == workflow), None)
        if definition is None:
            raise ServerProblem("answered", f"project {project!r} has no workflow {workflow!r} there", 404)
        return _schedule(project_id, stands, definition)

    async def list_workflows(self, project: str | None) -> list[tuple[str, str]]:
        """(project, workflow) of every schedule there, or of those of one project."""
        found: list[tuple[str, str]] = []
        last_id: str | None = None
        while True:
            page = _listed(await self._questions.get("/schedules", {"last_id": last_id}), "schedules")
            found += [(str(one["project"]["name"]), _name(one)) for one in page]
            if len(page) < PAGE:
                break
            last_id = str(page[-1]["id"])
        return [(name, workflow) for name, workflow in found if project in (None, name)]

    async def sessions(self, project_id: str, workflow: str) -> dict[datetime, bool]:
        """Every session of a workflow that has an attempt → whether the last one of it has succeeded."""
        found: dict[datetime, bool] = {}
        last_id: str | None = None
        for _ in range(MOST_SESSION_PAGES):
            query = {"workflow": workflow, "page_size": PAGE, "last_id": last_id}
            page = _listed(await self._questions.get(f"/projects/{project_id}/sessions", query), "sessions")
            for one in page:
                if isinstance(attempt := one.get("lastAttempt"), Mapping):
                    found[_instant(one["sessionTime"])] = bool(attempt.get("success"))
            if len(page) < PAGE:
                return found
            last_id = str(page[-1]["id"])
        raise ServerProblem(
            "answered", f"workflow {workflow!r} has more than {MOST_SESSION_PAGES * PAGE:,} sessions there"
        )

    async def dry_run(self, schedule_id: str, *, from_time: datetime, attempt_name: str, count: int) -> list[datetime]:
        """What a backfill would run there. 409: a session has an attempt of that name."""
        body = {"fromTime": _text(from_time), "attemptName": attempt_name, "count": count, "dryRun": True}
        answer = await self._questions.call("POST", f"/schedules/{schedule_id}/backfill", body)
        return sorted(_instant(one["sessionTime"]) for one in _listed(answer, "attempts"))

    async def advance(self, schedule_id: str, run_time: datetime) -> None:
        """Let it go on at that run time. That it is there already, or further on, is fine."""
        body = {"nextTime": _text(run_time), "dryRun": False}
        try:
            await self._questions.call("POST", f"/schedules/{schedule_id}/skip", body)
        except ServerProblem as problem:
            if problem.status != 409:
                raise


def _schedule(project_id: str, stands: Mapping[str, Any], definition: Mapping[str, Any]) -> TheirSchedule:
    config = definition.get("config")
    schedule = config.get("schedule") if isinstance(config, Mapping) else None
    if not isinstance(schedule, Mapping):
        raise ServerProblem("answered", f"workflow {definition.get('name')!r} there has no schedule in its definition")
    disabled = stands.get("disabledAt")
    return TheirSchedule(
        project_id=project_id,
        schedule_id=str(stands["id"]),
        workflow_id=str(definition["id"]),
        timezone=str(definition.get("timezone") or "UTC"),
        schedule=schedule,
        next_session_at=_instant(stands["nextScheduleTime"]),
        next_run_at=_instant(stands["nextRunTime"]),
        disabled_at=None if disabled is None else _instant(disabled),
    )


def _listed(answer: Mapping[str, Any], key: str) -> list[Any]:
    found = answer.get(key)
    return found if isinstance(found, list) else []


def _name(schedule: Mapping[str, Any]) -> str:
    return str(schedule["workflow"]["name"])


def _instant(text: object) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC).replace(microsecond=0)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
