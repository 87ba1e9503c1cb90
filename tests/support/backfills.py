"""Workflows and backfills for tests that begin with one."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

from tests.support.clock import NOON

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.records import Backfill, Reason
from backfilld.domain.backfills.states import ENDED, Status
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.rows import NewBackfill, json_text
from backfilld.store.connection.pool import Pool

_numbers = count(1)
DAILY = [{"run_start_time": "00:00", "run_end_time": "24:00"}]
ALWAYS = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), DAILY)
HTTP = {"executor": {"type": "http", "url": "http://127.0.0.1:9/", "completion": "response"}}
SETTINGS = BackfillSettings(
    entity_type="ticket", filter_spec={}, daily_execution_windows=ALWAYS, timezone="UTC", max_in_flight=5,
    max_attempts=3,
)  # fmt: skip
NAMES = frozenset(field.name for field in fields(BackfillSettings))
B = TypeVar("B", Backfill, NewBackfill)


class Workflow:
    """A workflow and its only revision, as plain ids."""

    def __init__(self, workflow_id: int, revision_id: int) -> None:
        self.workflow_id = workflow_id
        self.revision_id = revision_id


async def make_workflow(pool: Pool, name: str | None = None, *, enabled: bool = True, **definition: Any) -> Workflow:
    """A workflow of project `default`; `definition` goes into its revision."""
    project = await pool.fetchval(
        "INSERT INTO projects (name, created_at, updated_at) VALUES ('default', $1, $1)"
        " ON CONFLICT (name) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name RETURNING id",
        NOON,
    )
    if name is None:
        made = await pool.fetchval("SELECT count(*) FROM workflows")
        name = f"w{made + 1}"
    workflow = await pool.fetchval(
        "INSERT INTO workflows (project_id, name, managed_by, enabled, created_at, updated_at)"
        " VALUES ($1, $2, 'api', $3, $4, $4) RETURNING id",
        project, name, enabled, NOON,
    )  # fmt: skip
    revision = await pool.fetchval(
        "INSERT INTO revisions (workflow_id, version, definition, created_at) VALUES ($1, 1, $2, $3) RETURNING id",
        workflow, json_text(HTTP | definition), NOON,
    )  # fmt: skip
    await pool.execute("UPDATE workflows SET revision_id = $2 WHERE id = $1", workflow, revision)
    return Workflow(workflow, revision)


def new_backfill(workflow: Workflow | Backfill, **settings: Any) -> NewBackfill:
    """Everything of type ticket, always open, five at a time, unless `settings` says otherwise."""
    plain = NewBackfill(
        id=uuid4(),
        kind="entities",
        workflow_id=workflow.workflow_id,
        revision_id=workflow.revision_id,
        settings=SETTINGS,
        filter_resolved={},
        created_by="key:test",
        created_at=NOON,
        exclusive=True,
    )
    return with_settings(plain, settings)


def with_settings(plain: B, changes: Mapping[str, Any]) -> B:
    """`plain` with other settings, and other fields of its own, by their names."""
    chosen = {name: value for name, value in changes.items() if name in NAMES and not isinstance(value, Reason)}
    others = {name: value for name, value in changes.items() if name not in chosen}
    settings = others.pop("settings", plain.settings)
    return replace(plain, settings=replace(settings, **chosen), **others)


async def make_backfill(pool: Pool, workflow: Workflow | Backfill | None = None, **settings: Any) -> Backfill:
    """A stored backfill in status planning; of a workflow of its own if none is given."""
    workflow = workflow or await make_workflow(pool)
    async with pool.acquire() as connection, connection.transaction():
        return await BackfillStore(pool).insert(new_backfill(workflow, **settings), on=connection)


async def change_settings(pool: Pool, backfill: Backfill | None, **settings: Any) -> None:
    """Behind everybody's back; of all backfills if none is named."""
    number = None if backfill is None else backfill.number
    for row in await pool.fetch("SELECT number, settings FROM backfills WHERE number = $1 OR $1 IS NULL", number):
        changed = json.loads(row["settings"]) | settings
        await pool.execute("UPDATE backfills SET settings = $2 WHERE number = $1", row["number"], json_text(changed))


async def put_into(pool: Pool, backfill: Backfill, status: Status) -> None:
    """Whatever the moves say: a test needs it there. Planned, unless it is planning."""
    await pool.execute(
        "UPDATE backfills SET status = $2, planned_at = $3, completed_at = $4 WHERE number = $1",
        backfill.number,
        status,
        None if status is Status.PLANNING else NOON,
        NOON if status in ENDED else None,
    )
