"""What an executor is handed: an item, told in the words of its workflow."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from backfilld.domain.backfills.records import SESSION, Backfill, Item, idempotency_key
from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.domain.errors import Fault
from backfilld.domain.instants import is_within_bounds
from backfilld.domain.schedules import Schedule, parse_schedule_zone
from backfilld.domain.sessions.records import schedule_of
from backfilld.domain.sessions.variables import LAST_EXECUTED, Run, session_variables
from backfilld.engine.backfills.planning.session_source import session_item
from backfilld.executors.base import Work
from backfilld.store.sessions.items import SessionItem


class DefinitionUnreadable(Exception):
    """A workflow's stored definition names a zone or a schedule that this version cannot read."""


def payloads_of(backfill: Backfill, timeout_seconds: float) -> Callable[[Item], Work]:
    """Makes what the executor is handed for an item of `backfill`; `timeout_seconds` unless the workflow says it."""
    if backfill.is_schedule:
        return lambda item: _session_of(backfill, item, timeout_seconds)
    entity_type = backfill.settings.entity_type or NOT_ENUMERABLE
    seconds = _seconds(backfill.definition, timeout_seconds)
    id_text = str(backfill.id)
    name, params = backfill.settings.name, backfill.settings.params
    id = UUID(id_text)  # one that orjson knows, unlike asyncpg's

    def work(item: Item) -> Work:
        as_of = None if item.as_of is None else _text_of(item.as_of)
        key = idempotency_key(id_text, entity_type, item.entity_id)
        return Work(
            backfill.workflow_id, backfill.workflow_name, id, name, item.entity_id, entity_type,
            item.attributes, as_of, params, rehearsal=False, attempt=item.tries + 1, idempotency_key=key,
            timeout_seconds=seconds,
        )  # fmt: skip

    return work


@lru_cache(maxsize=64)  # what was loaded together is equally old
def _text_of(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _session_of(backfill: Backfill, item: Item, timeout_seconds: float) -> Work:
    return session_work(
        session_item(item.attributes),
        workflow_id=backfill.workflow_id,
        workflow_name=backfill.workflow_name,
        definition=backfill.definition,
        attempt=item.attempt,
        key=idempotency_key(backfill.id, SESSION, item.entity_id),
        timeout_seconds=timeout_seconds,
        backfill_id=backfill.id,
        backfill_name=backfill.settings.name,
    )


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
        timeout_seconds=_seconds(definition, timeout_seconds),
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


def _seconds(definition: Mapping[str, Any], otherwise: float) -> float:
    return float(definition.get("timeout_seconds") or otherwise)
