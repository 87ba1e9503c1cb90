"""Backfill operations over a test's database, with an engine that runs nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.support.backfills import ALWAYS
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl

from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits
from backfilld.sources.builtin import BuiltinSource
from backfilld.sources.registry import SourceRegistry
from backfilld.store.backfills.rows import json_text
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.entities import EntityStore


def make_operations(
    pool: Pool,
    clock: FakeClock,
    control: FakeControl,
    *,
    source: Any = None,
    connections: Any = None,
    around: Any = None,
    **limits: Any,
) -> BackfillOperations:
    """Everything as in the daemon but the engine. `source` takes the place of the built-in one."""
    store = EntityStore(pool)

    async def learned(entity_type: str) -> Mapping[str, Any]:
        return (await store.get_type(entity_type)).fields

    registry = SourceRegistry({"builtin": source or BuiltinSource(store)}, learned=learned, connections=connections)
    return BackfillOperations(
        pool, sources=registry, control=control, clock=clock, limits=Limits(**limits), around=around
    )


def body(workflow_id: int, **fields: Any) -> dict[str, Any]:
    """What asks for a backfill of every ticket; a field of `...` is left out."""
    plain: dict[str, Any] = {
        "entity_type": "ticket",
        "filter_spec": {},
        "daily_execution_windows": ALWAYS,
        "max_in_flight": 5,
        "target_workflow_id": workflow_id,
        "timezone": "UTC",
    }
    return {name: value for name, value in (plain | fields).items() if value is not ...}


async def store_entities(
    pool: Pool, *attributes: Mapping[str, Any], entity_type: str = "ticket", at: datetime = NOON
) -> None:
    """Entities with the ids e0, e1, … in the built-in store."""
    await pool.execute(
        "INSERT INTO entity_types (name, loaded_at, entities) VALUES ($1, $2, $3)"
        " ON CONFLICT (name) DO UPDATE SET entities = excluded.entities",
        entity_type, at, len(attributes),
    )  # fmt: skip
    await pool.executemany(
        "INSERT INTO entities (entity_type, id, attributes, loaded_at) VALUES ($1, $2, $3, $4)",
        [(entity_type, f"e{number}", json_text(one), at) for number, one in enumerate(attributes)],
    )
