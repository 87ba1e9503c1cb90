"""Verbs with an end: by the clocks of the backfill's zone."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.web.conftest import Person, Site
from tests.web.test_backfill_pages import NIGHTS, offered

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.store.connection.pool import Pool
from backfilld.web.words.times import for_input, of_input

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
async def nightly(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS, timezone="America/New_York")
    await put_into(pool, backfill, Status.WAITING)
    return backfill


@pytest.fixture
async def anna(site: Site) -> Person:
    return await site.sign_in("operator")


async def of(pool: Pool, column: str) -> Any:
    return await pool.fetchval(f"SELECT {column} FROM backfills")  # noqa: S608  # named here


async def test_a_pause_ends_by_itself_at_the_time_of_its_zone(anna: Person, pool: Pool, nightly: Backfill) -> None:
    local = for_input(datetime(2030, 3, 1, 12, 0, tzinfo=UTC), NEW_YORK)
    answer = await anna.post(f"/backfills/{nightly.id}/pause", until=local, reason="audit")

    assert "2030-03-01T07:00" == local
    assert 303 == answer.status
    assert ("paused", datetime(2030, 3, 1, 12, 0, tzinfo=UTC)) == (await of(pool, "status"), await of(pool, "wake_at"))


async def test_it_runs_outside_of_its_windows_until_it_is_told_not_to(
    anna: Person, pool: Pool, nightly: Backfill
) -> None:
    page = await anna.text(f"/backfills/{nightly.id}/override")
    usual = page.partition('name="until" value="')[2].partition('"')[0]
    answer = await anna.post(f"/backfills/{nightly.id}/override", until=usual)

    assert "New York time; at most 24 hours ahead" in page
    assert 303 == answer.status
    assert of_input(usual, NEW_YORK) == await of(pool, "override_until")
    assert "end-override" in offered(await anna.text(f"/backfills/{nightly.id}"))
    assert 303 == (await anna.post(f"/backfills/{nightly.id}/end-override")).status
    assert await of(pool, "override_until") is None


NO_TIMES = [
    ("tomorrow", "“tomorrow” is no time"),
    ("2001-01-01T00:00", "is over: it is"),
    ("2032-03-14T02:30", "does not exist in New York"),
    ("9999-12-31T23:59", ""),  # a pause may last until then
]


@pytest.mark.parametrize("verb", ["pause", "override"])
async def test_a_time_that_cannot_be_is_told_and_stays_to_be_mended(
    anna: Person, pool: Pool, nightly: Backfill, verb: str
) -> None:
    for until, said in NO_TIMES:
        answer = await anna.post(f"/backfills/{nightly.id}/{verb}", until=until, reason="because")
        page = await answer.text()
        if answer.status == 303:
            assert ("pause", "") == (verb, said)
            break

        assert 422 == answer.status, until
        assert said in page
        assert f'value="{until}"' in page
        assert ">because</textarea>" in page
        assert "waiting" == await of(pool, "status"), until


async def test_an_override_needs_its_end(anna: Person, nightly: Backfill) -> None:
    answer = await anna.post(f"/backfills/{nightly.id}/override")

    assert 422 == answer.status
    assert "Say until when" in await answer.text()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
def test_a_time_in_a_field_is_the_same_again(zone: str) -> None:
    at = datetime(2026, 7, 1, 3, 4, tzinfo=UTC)

    assert at == of_input(for_input(at, ZoneInfo(zone)), ZoneInfo(zone))


def test_of_a_time_that_the_clocks_show_twice_it_is_the_first() -> None:
    assert datetime(2026, 11, 1, 5, 30, tzinfo=UTC) == of_input("2026-11-01T01:30", NEW_YORK)
