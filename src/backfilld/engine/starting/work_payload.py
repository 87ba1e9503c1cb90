"""What an executor is handed for one run of a session, whoever made that."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.domain.errors import Fault
from backfilld.domain.instants import is_within_bounds
from backfilld.domain.schedules import Schedule, parse_schedule_zone
from backfilld.domain.sessions.records import schedule_of
from backfilld.domain.sessions.variables import LAST_EXECUTED, Run, session_variables
from backfilld.executors.base import Work
from backfilld.store.ledger.session_items import SessionItem


class DefinitionUnreadable(Exception):
    """A workflow's stored definition names a zone or a schedule that this version cannot read."""


def session_work(
    run: SessionItem,
    *,
    workflow_id: int,
    workflow_name: str,
    definition: Mapping[str, Any],
    attempt: int,
    key: str,
    timeout_seconds: float,
    backfill_id: UUID | None = None,
    backfill_name: str | None = None,
) -> Work:
    """One run of a session. A later source of a variable wins: params, exports of the workflow, what the slot says.

    `attempt` counts tries, from 1; `timeout_seconds` holds unless the definition says otherwise.
    """
    params = {**run.params, **(definition.get("exports") or {})}
    session = session_variables(_run(run, workflow_name, definition))
    return Work(
        workflow_id=workflow_id,
        workflow_name=workflow_name,
        backfill_id=backfill_id,
        backfill_name=backfill_name,
        entity_id=session["session_time"],
        entity_type=NOT_ENUMERABLE,
        attributes={},
        as_of=None,
        params=params,
        rehearsal=False,
        attempt=attempt,
        idempotency_key=key,
        timeout_seconds=seconds_of(definition, timeout_seconds),
        session=session,
        variables={**params, **session},
        wants_log=True,
    )


def _run(item: SessionItem, workflow_name: str, definition: Mapping[str, Any]) -> Run:
    zone = parse_schedule_zone(item.timezone, "")
    if isinstance(zone, Fault):
        raise DefinitionUnreadable(f"the time zone {item.timezone!r} is not in this tz data")
    executed = item.params.get(LAST_EXECUTED)
    return Run(
        project_id=item.project_id,
        workflow_name=workflow_name,
        session_id=item.session_id,
        session_uuid=item.session_uuid,
        session_time=item.session_time,
        attempt_id=item.attempt_id,
        attempt_name=item.name,
        timezone=item.timezone,
        zone=zone,
        schedule=_schedule(definition),
        last_executed=_instant(executed),
        task=definition.get("task"),
    )


def _schedule(definition: Mapping[str, Any]) -> Schedule | None:
    if not definition.get("schedule"):
        return None
    try:
        return schedule_of(definition)
    except ValueError as problem:
        raise DefinitionUnreadable(str(problem)) from problem


def _instant(text: object) -> datetime | None:
    """The time in a param; a user may have put anything there, and what may not come in is no time."""
    try:
        found = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None and is_within_bounds(found) else None


def seconds_of(definition: Mapping[str, Any], otherwise: float) -> float:
    """How long a try may take."""
    return float(definition.get("timeout_seconds") or otherwise)
