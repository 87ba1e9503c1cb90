"""What an executor is handed: an item, told in the words of its workflow."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from backfilld.domain.backfills.records import SESSION, Backfill, Item, idempotency_key
from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.engine.backfills.planning.session_source import session_item
from backfilld.engine.starting.work_payload import seconds_of, session_work
from backfilld.executors.base import Work

NO_VARIABLES: Mapping[str, Any] = {}


def payloads_of(backfill: Backfill, timeout_seconds: float) -> Callable[[Item], Work]:
    """Makes what the executor is handed for an item of `backfill`; `timeout_seconds` unless the workflow says it."""
    if backfill.is_schedule:
        return lambda item: _session_of(backfill, item, timeout_seconds)
    entity_type = backfill.settings.entity_type or NOT_ENUMERABLE
    seconds = seconds_of(backfill.definition, timeout_seconds)
    id_text = str(backfill.id)
    name, params, rehearsal = backfill.settings.name, backfill.settings.params, backfill.settings.rehearsal
    id = UUID(id_text)  # one that orjson knows, unlike asyncpg's

    def work(item: Item) -> Work:
        as_of = None if item.as_of is None else _text_of(item.as_of)
        key = idempotency_key(id_text, entity_type, item.entity_id)
        return Work(  # in order: to name them costs twice as much
            backfill.workflow_id, backfill.workflow_name, id, name, item.entity_id, entity_type,
            item.attributes, as_of, params, rehearsal, item.tries + 1, key, seconds, None, NO_VARIABLES,
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
