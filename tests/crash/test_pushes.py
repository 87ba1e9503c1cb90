"""A push that the daemon dies of has changed everything that it was to change, or nothing."""

import asyncpg
import pytest
from tests.crash.mortal import Mortal
from tests.support.project_archives import packed

from backfilld.client import ApiError
from backfilld.crash_points import Point

ECHO = "+t:\n  echo>: {}\n"
DAILY = "schedule:\n  daily>: {}\n+t:\n  echo>: hi\n"
BEFORE = packed({"a.dig": DAILY.format("07:00:00"), "b.dig": ECHO.format("b"), "gone.dig": DAILY.format("08:00:00")})
AFTER = packed({"a.dig": DAILY.format("09:00:00"), "b.dig": DAILY.format("10:00:00"), "new.dig": ECHO.format("new")})


@pytest.fixture
def mortal(daemon, target, dsn, point) -> Mortal:
    return Mortal(daemon, target, dsn, point)


async def state(dsn: str) -> list[tuple[object, ...]]:
    """Everything that a push may change."""
    connection = await asyncpg.connect(dsn)
    rows = [
        tuple(row)
        for table in ("workflows", "schedules", "revisions", "project_revisions", "projects", "audit_log")
        for row in await connection.fetch(f"SELECT to_jsonb(t)::text FROM {table} AS t ORDER BY 1")  # noqa: S608
    ]
    await connection.close()
    return rows


@pytest.mark.parametrize(
    ("point", "passes"),
    [pytest.param(Point.PUSH_WORKFLOW_WRITTEN, 2, marks=pytest.mark.slow), (Point.PUSH_BEFORE_COMMIT, 1)],
    ids=str,
)
async def test_a_push_that_was_cut_off_has_changed_nothing(mortal, dsn, point, passes):
    await mortal.start()
    await mortal.daemon.client.push_project(BEFORE, project="p", revision="1")
    await mortal.kill()
    before = await state(dsn)
    await mortal.start(point, passes=passes)

    assert await mortal.is_cut_off(mortal.daemon.client.push_project(AFTER, project="p", revision="2"))
    await mortal.lives_again()
    assert before == await state(dsn)
    await mortal.daemon.client.push_project(AFTER, project="p", revision="2")


@pytest.mark.parametrize("point", [Point.PUSH_AFTER_COMMIT], ids=str)
async def test_a_push_that_was_committed_is_there_though_its_answer_was_lost(mortal, dsn, point):
    await mortal.start(point)

    assert await mortal.is_cut_off(mortal.daemon.client.push_project(BEFORE, project="p", revision="1"))
    await mortal.lives_again()
    with pytest.raises(ApiError) as again:
        await mortal.daemon.client.push_project(BEFORE, project="p", revision="1")
    assert 409 == again.value.status
    assert 3 == await mortal.count("SELECT count(*) FROM workflows WHERE managed_by = 'push'")
    assert 2 == await mortal.count("SELECT count(*) FROM schedules")
