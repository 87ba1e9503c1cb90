"""Where a schedule stands after its workflow was written."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.backfills import make_workflow
from tests.support.clock import NOON

from backfilld.domain.schedules import FINISHED_AT
from backfilld.operations.schedules.place import place_schedule, skip_missed
from backfilld.store.connection.pool import Pool

DAILY = {"schedule": {"daily>": "09:00:00"}}
HOURLY = {"schedule": {"hourly>": "00:00"}}
DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)


class Placer:
    """One workflow, and what is said of its schedule."""

    def __init__(self, pool: Pool, workflow_id: int) -> None:
        self._pool = pool
        self.workflow_id = workflow_id

    async def place(self, old: Any, new: Any, at: datetime = NOON, **options: Any) -> int | None:
        async with self._pool.acquire() as connection, connection.transaction():
            placed = await place_schedule(connection, self.workflow_id, old, new, at, **options)
        self.left_out = None if placed is None else placed.left_out
        return None if placed is None else placed.id

    async def fired(self, session_at: datetime) -> None:
        await self._pool.execute(
            "UPDATE schedules SET last_session_at = $2::timestamptz,"
            " next_session_at = $2::timestamptz + interval '1 day',"
            " next_run_at = $2::timestamptz + interval '33 hours' WHERE workflow_id = $1",
            self.workflow_id, session_at,
        )  # fmt: skip

    async def row(self) -> Any:
        return await self._pool.fetchrow("SELECT * FROM schedules WHERE workflow_id = $1", self.workflow_id)


@pytest.fixture
async def placer(pool: Pool) -> Placer:
    return Placer(pool, (await make_workflow(pool)).workflow_id)


async def test_a_new_schedule_stands_at_the_first_slot_that_has_not_run_yet(placer):
    await placer.place(None, DAILY)
    row = await placer.row()

    assert (MIDNIGHT + DAY, MIDNIGHT + DAY + timedelta(hours=9)) == (row["next_session_at"], row["next_run_at"])
    assert row["last_session_at"] is row["disabled_at"] is None


async def test_a_new_schedule_begins_where_it_is_told(placer):
    await placer.place(None, DAILY, schedule_from=datetime(2027, 1, 1, 12, tzinfo=UTC))

    assert datetime(2027, 1, 2, tzinfo=UTC) == (await placer.row())["next_session_at"]


async def test_a_schedule_that_says_the_same_stays_where_it_is_under_its_id(placer, pool):
    id = await placer.place(None, DAILY)
    await placer.fired(MIDNIGHT - 3 * DAY)
    await pool.execute("UPDATE schedules SET disabled_at = $1", NOON)
    before = await placer.row()

    assert id == await placer.place(DAILY, {**DAILY, "timezone": "UTC"}, NOON + DAY)
    assert before == await placer.row()


@pytest.mark.parametrize(
    ("new", "expected"),
    [(HOURLY, MIDNIGHT - DAY + timedelta(hours=1)), ({**DAILY, "timezone": "+09:00"}, MIDNIGHT - timedelta(hours=9))],
)
async def test_a_changed_schedule_goes_on_behind_the_last_session_that_it_fired(placer, pool, new, expected):
    id = await placer.place(None, DAILY)
    await placer.fired(MIDNIGHT - DAY)
    await pool.execute("UPDATE schedules SET disabled_at = $1", NOON)

    assert id == await placer.place(DAILY, new)
    row = await placer.row()
    assert (expected, NOON) == (row["next_session_at"], row["disabled_at"])


@pytest.mark.parametrize(("columns", "first"), [
    ({"last_session_at": MIDNIGHT - 2 * DAY}, MIDNIGHT - 2 * DAY + timedelta(hours=1)),
    ({"skipped_to": MIDNIGHT - 2 * DAY}, MIDNIGHT - 2 * DAY),
])  # fmt: skip
@pytest.mark.parametrize("skips", [True, False])
async def test_a_changed_schedule_starts_nothing_that_should_have_run_by_now_unless_it_is_told_to(
    placer, pool, columns, first, skips
):
    await placer.place(None, DAILY)
    for name, value in columns.items():
        await pool.execute(f"UPDATE schedules SET {name} = $1", value)  # noqa: S608 - of our own
    at = NOON + timedelta(minutes=1)
    await placer.place(DAILY, HOURLY, at, skip_schedule=skips)
    next_one = NOON + timedelta(hours=1)

    assert (next_one if skips else first) == (await placer.row())["next_session_at"]
    assert ((first, next_one) if skips else None) == placer.left_out

    await placer.place(HOURLY, DAILY, at + timedelta(minutes=1))
    row = await placer.row()
    assert MIDNIGHT + DAY == row["next_session_at"]


async def test_a_slot_that_is_due_in_this_moment_is_not_left_out(placer):
    await placer.place(None, DAILY)
    await placer.fired(MIDNIGHT - DAY)
    await placer.place(DAILY, HOURLY | {"timezone": "UTC"}, MIDNIGHT - DAY + timedelta(hours=1))

    assert MIDNIGHT - DAY + timedelta(hours=1) == (await placer.row())["next_session_at"]
    assert placer.left_out is None


async def test_a_changed_schedule_that_has_not_fired_yet_begins_now(placer):
    await placer.place(None, DAILY)
    await placer.place(DAILY, HOURLY, NOON + timedelta(minutes=1))

    assert NOON + timedelta(hours=1) == (await placer.row())["next_session_at"]


async def test_no_push_brings_back_what_was_skipped(placer, pool):
    await placer.place(None, DAILY)
    await placer.fired(MIDNIGHT - 9 * DAY)
    await pool.execute("UPDATE schedules SET skipped_to = $1", MIDNIGHT)
    await placer.place(DAILY, HOURLY, skip_schedule=False)

    assert MIDNIGHT == (await placer.row())["next_session_at"]


async def test_clearing_forgets_what_was_fired_and_skipped(placer, pool):
    await placer.place(None, DAILY)
    await placer.fired(MIDNIGHT + 5 * DAY)
    await pool.execute("UPDATE schedules SET skipped_to = $1", MIDNIGHT + 5 * DAY)
    await placer.place(DAILY, DAILY, clear=True)
    row = await placer.row()

    assert MIDNIGHT + DAY == row["next_session_at"]
    assert row["last_session_at"] is row["skipped_to"] is None


async def test_a_definition_without_a_schedule_takes_it_away(placer):
    await placer.place(None, DAILY)

    assert await placer.place(DAILY, {}) is None
    assert await placer.row() is None


async def test_a_schedule_that_is_over_stands_at_the_end_of_time(placer):
    await placer.place(None, {"schedule": {"daily>": "09:00:00", "end": "2027-02-01"}})
    row = await placer.row()

    assert FINISHED_AT == row["next_session_at"] == row["next_run_at"]


@pytest.mark.parametrize(("skips", "expected"), [(True, MIDNIGHT + DAY), (False, MIDNIGHT - 3 * DAY)])
async def test_a_longer_end_goes_on_behind_the_last_session(placer, skips, expected):
    short, long = ({"schedule": {"daily>": "09:00:00", "end": day}} for day in ("2027-02-01", "2027-04-01"))
    await placer.place(None, short)
    await placer.fired(MIDNIGHT - 4 * DAY)
    await placer.place(short, long, skip_schedule=skips)

    assert expected == (await placer.row())["next_session_at"]


async def test_what_a_disabled_workflow_missed_is_left_out(placer, pool):
    await placer.place(None, DAILY)
    async with pool.acquire() as connection, connection.transaction():
        await skip_missed(connection, placer.workflow_id, DAILY, NOON + 7 * DAY)
    row = await placer.row()

    assert MIDNIGHT + 8 * DAY == row["next_session_at"] == row["skipped_to"]
