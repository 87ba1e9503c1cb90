"""Sessions as rows, in whatever state a page shall show them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from backfilld.domain.sessions.records import StoredSchedule
from backfilld.store.connection.pool import Pool

_HOW: Mapping[str, Mapping[str, Any]] = {
    "success": {"finished": True, "succeeded": True},
    "error": {"finished": True},
    "killed": {"finished": True, "cancelled": True},
    "running": {"running": True},
    "canceling": {"running": True, "cancelled": True},
    "queued": {},
}


async def make_attempt(
    pool: Pool, stored: StoredSchedule, time: datetime, status: str = "success", *, name: str = "", **columns: Any
) -> tuple[int, int]:
    """The ids of its session and of a new attempt of that, which began a minute after its time and took half of one."""
    how, began = _HOW[status], time + timedelta(minutes=1)
    ended = began + timedelta(seconds=30)
    session, index = await pool.fetchrow(
        "INSERT INTO sessions AS s (project_id, workflow_id, session_time, created_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (workflow_id, session_time) DO UPDATE SET attempts = s.attempts + 1 RETURNING id, attempts",
        stored.project_id, stored.workflow_id, time, began,
    )  # fmt: skip
    values = {
        "session_id": session, "index": index, "name": name, "project_id": stored.project_id,
        "workflow_id": stored.workflow_id, "revision_id": stored.revision_id, "timezone": stored.timezone,
        "params": "{}", "created_by": f"schedule:{stored.id}", "created_at": began,
        "started_at": began if how else None, "running_since": began if how.get("running") else None,
        "finished_at": ended if how.get("finished") else None, "succeeded": how.get("succeeded", False),
        "cancel_requested_at": ended if how.get("cancelled") else None,
    } | columns  # fmt: skip
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    sql = f"INSERT INTO attempts ({', '.join(values)}) VALUES ({places}) RETURNING id"  # noqa: S608  # names are ours
    attempt = await pool.fetchval(sql, *values.values())
    return session, attempt
