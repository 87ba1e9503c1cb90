"""`/sessions/{id}`: a session with its attempts, what they printed, and retry and kill."""

from datetime import timedelta

import pytest
from tests.support.past_sessions import make_attempt
from tests.support.schedules import backfill_days, make_schedule
from tests.web.conftest import Person, Site
from tests.web.test_schedules import words

from backfilld.domain.sessions.records import StoredSchedule
from backfilld.store.connection.pool import Pool

DAY = timedelta(days=1)


@pytest.fixture
async def anna(site: Site) -> Person:
    return await site.sign_in("operator")


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    return await make_schedule(pool, timezone="Asia/Tokyo")


async def names(pool: Pool, session: int) -> list[str]:
    rows = await pool.fetch("SELECT name FROM attempts WHERE session_id = $1 ORDER BY index", session)
    return [row["name"] for row in rows]


async def test_every_attempt_tells_how_it_went(anna: Person, pool: Pool, stored: StoredSchedule) -> None:
    time = stored.next_session_at - DAY
    session, first = await make_attempt(pool, stored, time, "error", error="no <space>", error_class="exit_1")
    _, second = await make_attempt(pool, stored, time, name="again", message="1 204 rows", result='{"rows": 1204}')
    await pool.execute("INSERT INTO attempt_logs VALUES ($1, 1, $2, $3)", second, time, "begin\n" + "x" * 9_000 + "end")
    page = await anna.text(f"/sessions/{session}")
    text = words(page)

    assert "w1 Mon 2027-03-01 00:00 Succeeded" in text
    assert "This is its attempt 2 ." in text
    assert text.index("Attempt 2 again") < text.index("Attempt 1")
    assert "no &lt;space&gt;" in page
    assert all(told in text for told in ("exit_1", "1 204 rows", "by its schedule", "Took 30 s"))
    assert "9 kB, its end" in text
    assert "begin" not in text
    assert f"/sessions/{session}#a{first}" == (await anna.get(f"/attempts/{first}")).headers["Location"]
    log = await anna.get(f"/attempts/{second}/log/1")
    assert "text/plain" == log.content_type
    assert (await log.text()).startswith("begin")


async def test_an_attempt_names_the_backfill_that_made_it(anna: Person, pool: Pool, stored: StoredSchedule) -> None:
    made = await backfill_days(pool, stored, days=2)
    first, second = [await anna.text(f"/sessions/{one.session_id}") for one in made.attempts]

    assert f'<a href="/backfills/{made.backfill_id}">again</a>' in first
    assert f'href="/schedules/{stored.id}">w1</a> over sessions' in await anna.text(f"/backfills/{made.backfill_id}")
    assert "Queued." in words(first)
    assert "Waits its turn." in words(second)


async def test_a_retry_is_another_attempt_and_sent_twice_it_is_one(
    anna: Person, pool: Pool, stored: StoredSchedule
) -> None:
    session, _ = await make_attempt(pool, stored, stored.next_session_at - DAY, "error")
    page = await anna.text(f"/sessions/{session}/retry")
    for _ in range(2):
        answer = await anna.post(f"/sessions/{session}/retry", name="retry-1", reason="space was made")

        assert (303, f"/sessions/{session}") == (answer.status, answer.headers["Location"])
    assert 'name="name" value="retry-1"' in page
    assert ["", "retry-1"] == await names(pool, session)
    assert "Kill…" in await anna.text(f"/sessions/{session}")


async def test_what_cannot_be_retried_says_why(anna: Person, pool: Pool, stored: StoredSchedule) -> None:
    session, _ = await make_attempt(pool, stored, stored.next_session_at - DAY, "error")
    await pool.execute("UPDATE workflows SET enabled = false")
    answer = await anna.post(f"/sessions/{session}/retry", reason="kept <this>")
    page = await answer.text()

    assert 422 == answer.status
    assert "is disabled" in page
    assert "kept &lt;this&gt;" in page
    assert [""] == await names(pool, session)


async def test_what_waits_is_killed_at_once_and_what_has_ended_is_not(
    anna: Person, pool: Pool, stored: StoredSchedule
) -> None:
    session, attempt = await make_attempt(pool, stored, stored.next_session_at - DAY, "queued")
    asked = words(await anna.text(f"/attempts/{attempt}/kill"))
    answer = await anna.post(f"/attempts/{attempt}/kill")
    again = await anna.post(f"/attempts/{attempt}/kill")

    assert "It has not begun, and will not." in asked
    assert (303, f"/sessions/{session}") == (answer.status, answer.headers["Location"])
    assert "Killed." in words(await anna.text(f"/sessions/{session}"))
    assert 409 == again.status
    assert "Back to it" in await again.text()


async def test_a_viewer_reads_logs_and_starts_and_kills_nothing(site: Site, pool: Pool, stored: StoredSchedule) -> None:
    viewer = await site.sign_in("viewer")
    session, attempt = await make_attempt(pool, stored, stored.next_session_at - DAY, "queued")
    page = await viewer.text(f"/sessions/{session}")

    assert "It takes the role operator; you are viewer." in page
    assert "Kill…" not in page
    for path in (f"/sessions/{session}/retry", f"/attempts/{attempt}/kill"):
        assert 403 == (await viewer.get(path)).status
        assert 403 == (await viewer.post(path)).status
    assert [""] == await names(pool, session)
