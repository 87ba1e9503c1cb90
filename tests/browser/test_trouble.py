"""What is not there: nothing yet, an unknown id, a database or a source that is away."""

import asyncpg
from playwright.async_api import expect
from tests.browser.conftest import Open, World
from tests.browser.test_look import look_at

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_what_is_unknown_is_a_page_of_ours(world: World, open_page: Open) -> None:
    page = await open_page("viewer", viewport={"width": 400, "height": 900})
    paths = (
        f"/backfills/{NOBODY}", f"/backfills/{NOBODY}/entities", "/backfills/x", "/nothing/here", "/schedules/999999",
        "/sessions/999999", "/system/nothing", "/system/notifications/nobody", world.path("ended", "/entities/none"),
    )  # fmt: skip
    for path in paths:
        answer = await page.goto(path)

        assert answer is not None
        assert 404 == answer.status, path
        await look_at(page, f"unknown{path.replace('/', ' ')[:24]}")
        assert await page.locator("header nav").count(), path
        assert "backfilld" in await page.title()


async def test_what_a_role_may_not_is_a_page_of_ours(world: World, open_page: Open) -> None:
    page = await open_page("viewer")
    for path in (world.path("busy", "/pause"), "/backfills/new", "/system/stop-all"):
        answer = await page.goto(path)

        assert answer is not None
        assert 403 == answer.status, path
        await look_at(page, f"forbidden{path[-9:].replace('/', ' ')}")


async def test_while_the_database_is_away_a_page_says_so_and_goes_on_by_itself(
    world: World, open_page: Open, dsn: str
) -> None:
    page = await open_page("viewer")
    await page.goto(world.path("held"))
    await expect(page.locator("#lamp")).to_have_text("live")
    shown = await page.inner_text("h1")
    admin = await asyncpg.connect(_other(dsn))
    name = await _shut(admin, dsn)
    try:
        await expect(page.locator("#lamp")).to_have_text("stale", timeout=30_000)
        assert shown == await page.inner_text("h1"), "what was known stays"
    finally:
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await admin.close()
    await expect(page.locator("#lamp")).to_have_text("live", timeout=60_000)


def _other(dsn: str) -> str:
    """A database of the same server."""
    head, _, query = dsn.partition("?")
    return f"{head.rpartition('/')[0]}/postgres?{query}"


async def _shut(admin: "asyncpg.Connection[asyncpg.Record]", dsn: str) -> str:
    """Nobody gets in any more, and whoever was in is out."""
    name = dsn.partition("?")[0].rpartition("/")[2]
    await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    return name
