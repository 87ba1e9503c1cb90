"""A backfill of an older version means the same after the migrations."""

import shutil
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.support.clock import NOON
from tests.support.settings import NIGHTS

import backfilld
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.entities.ids import NamedIds
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import connect, open_pool
from backfilld.store.migrate import migrate

MIGRATIONS = Path(backfilld.__file__).parent / "store" / "migrations"
BEFORE = 6  # the newest migration of version 0.1.0
WORKFLOW = """
INSERT INTO projects (name, created_at, updated_at) VALUES ('default', now(), now());
INSERT INTO workflows (project_id, name, managed_by, created_at, updated_at)
SELECT id, 'w', 'api', now(), now() FROM projects;
INSERT INTO revisions (workflow_id, version, definition, created_at) SELECT id, 1, '{}', now() FROM workflows;
"""
ROW = """
INSERT INTO backfills (
    id, kind, workflow_id, revision_id, entity_type, filter_spec, filter_resolved, entity_ids, windows, timezone,
    excluded_dates, max_in_flight, max_attempts, item_order, reprocess_behavior, start_mode, sample_size, params,
    total_estimated, name, reason, exclusive, created_by, created_at, updated_at, status, schedule_id, stop_on_failure)
SELECT $1, $2, w.id, r.id, $3, $4, $4, $5, $6, 'Asia/Tokyo', $7, 3, 7, 'newest_first', 'none', 'when_approved', $8,
       '{"z": 1, "a": [1e22, 1180591620717411303424]}', 11, 'night', 'years of it', false, 'anna', $9, $9, 'planning',
       $10, $11
  FROM workflows AS w, revisions AS r
"""
DAYS = [date(2027, 12, 24), date(2027, 12, 25)]
SPEC = '{"z": 1, "a": 1e22}'
WINDOWS = '{"friday":[{"run_start_time":"22:00","run_end_time":"06:00"}],"monday":[]}'


@pytest.fixture
def of_before(tmp_path: Path) -> Path:
    """The migrations of version 0.1.0."""
    for file in sorted(MIGRATIONS.glob("0*.sql"))[:BEFORE]:
        shutil.copy(file, tmp_path)
    return tmp_path


async def test_a_backfill_of_an_older_version_keeps_its_meaning(empty_dsn: str, of_before: Path) -> None:
    await migrate(empty_dsn, of_before)
    entities, sessions, bare = uuid4(), uuid4(), uuid4()
    rows = (
        (entities, "entities", "ticket", SPEC, ["b", "a"], WINDOWS, DAYS, 4, NOON, None, False),
        (sessions, "schedule", None, None, None, None, [], None, NOON, 5, True),
        (bare, "entities", "none", "{}", None, WINDOWS, [], None, NOON, None, False),
    )
    await _insert(empty_dsn, *rows)
    await migrate(empty_dsn)
    backfills = await _found(empty_dsn, entities, sessions, bare)
    found = [backfill.settings for backfill in backfills]

    common = {
        "timezone": "Asia/Tokyo", "max_in_flight": 3, "max_attempts": 7, "total_estimated": 11, "name": "night",
        "reason": "years of it", "start": "when_approved", "order": "newest_first", "reprocess_behavior": "none",
        "params": {"z": 1, "a": [1e22, 2**70]},
    }  # fmt: skip
    assert found == [
        BackfillSettings(
            entity_type="ticket", filter_spec={"z": 1, "a": 1e22}, daily_execution_windows=NIGHTS, sample_size=4,
            excluded_dates=frozenset(DAYS), **common,
        ),
        BackfillSettings(
            entity_type=None, filter_spec=None, daily_execution_windows=None, stop_on_failure=True, **common
        ),
        BackfillSettings(entity_type="none", filter_spec={}, daily_execution_windows=NIGHTS, **common),
    ]  # fmt: skip
    assert [NamedIds(2, sha256(b"b\na\n").hexdigest(), ("b", "a")), None, None] == [one.named_ids for one in backfills]
    assert ["z", "a"] == list(found[0].filter_spec)
    assert isinstance(found[0].filter_spec["a"], float)


PLANNED = "INSERT INTO plan_items (backfill_no, position, entity_id) SELECT no, 0, 'b' FROM backfills"
DRAFTED = "INSERT INTO plan_drafts (backfill_no, entity_id) SELECT no, 'b' FROM backfills"


@pytest.mark.parametrize("half", [PLANNED, DRAFTED])
async def test_a_list_that_was_half_planned_is_planned_on(empty_dsn: str, of_before: Path, half: str) -> None:
    await migrate(empty_dsn, of_before)
    id = uuid4()
    await _insert(empty_dsn, (id, "entities", "ticket", "{}", ["b", "a", "c"], WINDOWS, [], None, NOON, None, False))
    connection = await connect(empty_dsn)
    await connection.execute(half)
    await connection.close()
    await migrate(empty_dsn)
    (backfill,) = await _found(empty_dsn, id)

    assert "1" == backfill.source_cursor


async def _insert(dsn: str, *rows: tuple[Any, ...]) -> None:
    connection = await connect(dsn)
    await connection.execute(WORKFLOW)
    await connection.executemany(ROW, rows)
    await connection.close()


async def _found(dsn: str, *ids: UUID) -> list[Backfill]:
    pool = await open_pool(dsn, size=2)
    try:
        return [await BackfillStore(pool).get(id) for id in ids]
    finally:
        await pool.close()
