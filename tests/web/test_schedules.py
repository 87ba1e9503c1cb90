"""`/schedules` and `/schedules/{id}`: how each stands, its last slots and sessions, and what may be done to it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.clock import NOON
from tests.support.past_sessions import make_attempt
from tests.support.schedules import DAILY, make_schedule
from tests.web.conftest import Person, Site

from backfilld.domain.sessions.records import StoredSchedule
from backfilld.store.connection.pool import Pool
from backfilld.store.schedules.schedules import ScheduleStore

DAY = timedelta(days=1)
OVER = datetime(9999, 1, 1, tzinfo=UTC)


def words(page: str) -> str:
    """What of a page is read."""
    main = page.partition('<main id="main"')[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


@pytest.fixture
async def anna(site: Site) -> Person:
    return await site.sign_in("operator")


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    """A daily one in Tokyo, which stands at 2 March 00:00 there."""
    return await make_schedule(pool, timezone="Asia/Tokyo")


async def change(pool: Pool, stored: StoredSchedule, **columns: Any) -> None:
    for name, value in columns.items():
        await pool.execute(f"UPDATE schedules SET {name} = $2 WHERE id = $1", stored.id, value)  # noqa: S608  # names are ours


async def again(pool: Pool, stored: StoredSchedule) -> StoredSchedule:
    found = await ScheduleStore(pool).find(stored.id)

    assert found is not None
    return found


async def test_what_failed_last_stands_first_and_offers_its_retry(anna: Person, pool: Pool) -> None:
    fine, broken, off = [await make_schedule(pool) for _ in range(3)]
    await make_attempt(pool, fine, fine.next_session_at - DAY)
    session, _ = await make_attempt(pool, broken, broken.next_session_at - DAY, "error")
    await change(pool, off, disabled_at=NOON)
    page = await anna.text("/schedules")
    text = words(page)

    assert "All 3 Needs you 1 Enabled 1 Disabled 1 Finished 0" in text
    places = [text.index(name) for name in ("w2 Last failed", "w1 Enabled", "w3 Disabled")]
    assert sorted(places) == places
    assert f'href="/sessions/{session}/retry"' in page
    assert "Every day at 09:00, UTC" in text
    assert "▲ Schedules" in page


NARROWED = [
    ("?q=W2", {"w2"}), ("?q=default", {"w1", "w2", "w3"}), ("?project=default", {"w1", "w2", "w3"}),
    ("?project=other", set()), ("?status=off", {"w3"}), ("?status=nonsense", {"w1", "w2", "w3"}),
    ("?workflow=w1&status=on", {"w1"}), ("?cursor=%27", {"w1", "w2", "w3"}), ("?q=%25", set()),
]  # fmt: skip


async def test_a_list_is_narrowed_by_its_address(anna: Person, pool: Pool) -> None:
    *_, last = [await make_schedule(pool) for _ in range(3)]
    await change(pool, last, disabled_at=NOON)
    for query, shown in NARROWED:
        page = await anna.text("/schedules" + query)

        assert shown == set(re.findall(r'href="/schedules/\d+">(w\d)<', page)), query
        assert shown or "No schedule matches" in page, query


async def test_a_long_list_goes_on_by_name(anna: Person, pool: Pool) -> None:
    for _ in range(40):
        await make_schedule(pool)
    first = await anna.text("/schedules")
    more = re.search(r'href="(/schedules\?status=on&amp;cursor=\d+)">More', first)

    assert more is not None
    second = await anna.text(more[1].replace("&amp;", "&"))
    seen = [re.findall(r'href="/schedules/\d+">(w\d+)<', page) for page in (first, second)]
    assert 40 == len({*seen[0], *seen[1]}) == len(seen[0]) + len(seen[1])
    assert len(first) < 60_000


async def test_without_any_schedule_the_page_says_how_to_get_one(anna: Person) -> None:
    assert "No schedules yet" in await anna.text("/schedules")


STANDS: list[tuple[dict[str, Any], str]] = [
    ({}, "On time. The next session runs Tue 09:00 Tokyo , in 12 h ."),
    ({"next_run_at": NOON - timedelta(minutes=3)}, "Late. The session of Tue 00:00 Tokyo should have run 3 m ago"),
    ({"disabled_at": NOON - 2 * DAY}, "Disabled. Nothing has started by itself since Sat 21:00 Tokyo"),
    ({"next_session_at": OVER, "next_run_at": OVER}, "Finished. No session is left"),
]


@pytest.mark.parametrize(("columns", "told"), STANDS)
async def test_the_page_leads_with_how_it_stands(
    anna: Person, pool: Pool, stored: StoredSchedule, columns: dict[str, Any], told: str
) -> None:
    await change(pool, stored, **columns)
    text = words(await anna.text(f"/schedules/{stored.id}"))

    assert told in text
    assert "It has had no session yet." in text


async def test_a_disabled_one_says_what_it_has_missed(anna: Person, pool: Pool) -> None:
    stored = await make_schedule(pool, next_session_at=NOON - 5 * DAY)
    await change(pool, stored, disabled_at=NOON - 5 * DAY)
    text = words(await anna.text(f"/schedules/{stored.id}"))

    assert "5 sessions should have run since." in text


async def test_a_definition_of_another_version_hides_nothing_else(anna: Person, pool: Pool) -> None:
    stored = await make_schedule(pool)
    await make_attempt(pool, stored, stored.next_session_at - DAY)
    await pool.execute(
        'UPDATE revisions SET definition = \'{"schedule": {"yearly>": 1}}\' WHERE id = $1', stored.revision_id
    )
    page = await anna.text(f"/schedules/{stored.id}")

    assert "Its definition cannot be read." in words(page)
    assert 'class="ledger sessions"' in page
    assert "/backfill" not in page
    assert "w1" in await anna.text("/schedules")
    assert 409 == (await anna.get(f"/schedules/{stored.id}/enable")).status


async def test_slots_are_marks_that_lead_to_their_sessions(anna: Person, pool: Pool, stored: StoredSchedule) -> None:
    when = stored.next_session_at
    failed, _ = await make_attempt(pool, stored, when - 2 * DAY, "error")
    oldest, _ = await make_attempt(pool, stored, when - 5 * DAY)
    page = (await anna.text(f"/schedules/{stored.id}")).partition('id="strip"')[2].partition("</section>")[0]
    cells = re.findall(r'<(?:a|span) class="cell c-(\w+)"(?: href="/sessions/(\d+)")?', page)

    assert [
        ("succeeded", str(oldest)), ("none", ""), ("none", ""), ("failed", str(failed)), ("none", ""),
        ("coming", ""), ("coming", ""), ("coming", ""),
    ] == cells  # fmt: skip
    assert "Sun 2027-02-28 00:00: failed" in page


async def test_sessions_are_told_newest_first_and_by_outcome(anna: Person, pool: Pool, stored: StoredSchedule) -> None:
    for number in range(1, 56):
        status = "error" if number % 11 == 0 else "success"
        await make_attempt(
            pool, stored, stored.next_session_at - number * DAY, status, error="boom <b>" if number % 11 == 0 else None
        )
    path = f"/schedules/{stored.id}"
    first = await anna.text(path)
    more = re.search(r'href="(/schedules/\d+\?[^"]+)">Older', first)
    failed = await anna.text(path + "?status=error")

    assert more is not None
    assert 50 == first.count('<td class="fit id">')
    assert 5 == (await anna.text(more[1].replace("&amp;", "&"))).count('<td class="fit id">')
    assert (5, 5) == (failed.count('<td class="fit id">'), failed.count("boom &lt;b&gt;"))
    assert "is killed." in await anna.text(path + "?status=killed")
    assert "There is nothing older." in await anna.text(path + "?cursor=0")
    assert len(first) < 60_000


async def test_it_is_disabled_and_enabled_with_a_reason_that_stays(
    anna: Person, pool: Pool, stored: StoredSchedule
) -> None:
    path = f"/schedules/{stored.id}"
    assert "Disable it?" in await anna.text(path + "/disable")
    answer = await anna.post(path + "/disable", reason="the warehouse moves")

    assert (303, path) == (answer.status, answer.headers["Location"])
    assert (await again(pool, stored)).disabled_at == NOON
    page = await anna.text(path)
    assert "the operator disabled it the warehouse moves" in words(page)
    assert "Enable…" in page
    assert "Disable…" not in page
    assert 303 == (await anna.post(path + "/enable")).status
    assert (await again(pool, stored)).disabled_at is None


@pytest.mark.parametrize(
    ("missed", "stands"), [("skip", NOON + timedelta(hours=12)), ("all", NOON - timedelta(days=4, hours=12))]
)
async def test_whoever_enables_it_decides_about_what_it_missed(
    anna: Person, pool: Pool, missed: str, stands: datetime
) -> None:
    stored = await make_schedule(pool, next_session_at=NOON - timedelta(days=4, hours=12))
    await change(pool, stored, disabled_at=NOON - 5 * DAY)
    page = words(await anna.text(f"/schedules/{stored.id}/enable"))
    await anna.post(f"/schedules/{stored.id}/enable", missed=missed)

    assert "5 sessions should have run since it was disabled." in page
    assert "Run all 5 at once" in page
    assert stands == (await again(pool, stored)).next_session_at


async def test_what_is_skipped_is_what_was_shown(anna: Person, pool: Pool, stored: StoredSchedule) -> None:
    path = f"/schedules/{stored.id}/skip"
    page = await anna.text(path)
    third = re.findall(r'<option value="([^"]+)">([^<]+)<', page)[2]

    assert "Fri 00:00, runs Fri 09:00: leaves out 3" == third[1]
    assert 303 == (await anna.post(path, to=third[0], at="")).status
    assert stored.next_session_at + 3 * DAY == (await again(pool, stored)).next_session_at


async def test_a_time_that_is_typed_is_shown_before_it_is_skipped_to(
    anna: Person, pool: Pool, stored: StoredSchedule
) -> None:
    path, typed = f"/schedules/{stored.id}/skip", "2027-03-10 09:00"
    shown = await anna.post(path, at=typed)
    page = await shown.text()

    assert 200 == shown.status
    assert "go on with the session of 2027-03-10 00:00, which runs 2027-03-10 09:00, and leave out 8 sessions" in page
    assert stored.next_session_at == (await again(pool, stored)).next_session_at
    assert 303 == (await anna.post(path, at=typed, seen=typed)).status
    assert stored.next_session_at + 8 * DAY == (await again(pool, stored)).next_session_at


async def test_a_skip_that_goes_nowhere_says_why(anna: Person, stored: StoredSchedule) -> None:
    for at, status, told in (
        ("2027-02-01 00:00", 409, "already past"), ("tomorrow", 422, "must be a time"), ("", 422, "must be a time"),
    ):  # fmt: skip
        answer = await anna.post(f"/schedules/{stored.id}/skip", at=at, seen=at)

        assert status == answer.status, at
        assert told in await answer.text()


@pytest.mark.parametrize(
    "schedule", [DAILY, {"seconds_interval>": 90, "delay": 30}, {"cron>": "*/7 * * * *", "delay": 100}]
)
async def test_every_kind_of_schedule_is_skipped_to_the_slot_that_is_offered(
    anna: Person, pool: Pool, schedule: dict[str, Any]
) -> None:
    stored = await make_schedule(pool, schedule)
    path = f"/schedules/{stored.id}/skip"
    (value, _), *_ = re.findall(r'<option value="([^"]+)">([^<]+)<', await anna.text(path))
    await anna.post(path, to=value)
    slot = stored.schedule().next(stored.next_session_at)

    assert slot is not None
    assert slot.session_time == (await again(pool, stored)).next_session_at


async def test_a_viewer_sees_all_of_it_and_no_verb(site: Site, pool: Pool, stored: StoredSchedule) -> None:
    viewer = await site.sign_in("viewer")
    page = await viewer.text(f"/schedules/{stored.id}")

    assert "It takes the role operator; you are viewer." in page
    assert f"/schedules/{stored.id}/" not in page
    for verb in ("disable", "enable", "skip"):
        assert 403 == (await viewer.get(f"/schedules/{stored.id}/{verb}")).status
        assert 403 == (await viewer.post(f"/schedules/{stored.id}/{verb}")).status


GONE = (
    "/schedules/999", "/schedules/999/enable", "/schedules/999/disable", "/schedules/999/skip", "/sessions/999",
    "/sessions/999/retry", "/attempts/999", "/attempts/999/kill", "/attempts/999/log/1",
    "/schedules/99999999999999999999", "/sessions/x",
)  # fmt: skip


async def test_what_is_gone_is_a_page(anna: Person) -> None:
    for path in GONE:
        answer = await anna.get(path)

        assert 404 == answer.status, path
        assert "There is nothing here" in await answer.text(), path
