"""`/schedules/{id}/backfill`: what is made is what was shown, slot by slot; with script or without."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from tests.support.clock import NOON, FakeClock
from tests.support.past_sessions import make_attempt
from tests.support.schedules import backfill_days, make_schedule
from tests.web.conftest import Person, Site
from tests.web.test_schedules import again, change, words

from backfilld.domain.sessions.records import StoredSchedule
from backfilld.store.connection.pool import Pool

DAY = timedelta(days=1)
_INPUT = re.compile(r"<input([^>]*)>")
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')


def sent(page: str) -> dict[str, str]:
    """What a browser would send of the form."""
    fields = {}
    for found in _INPUT.finditer(page.partition('id="again"')[2]):
        known = dict(_ATTRIBUTE.findall(found[1]))
        if "name" in known and (known.get("type") not in ("checkbox", "radio") or " checked" in found[1]):
            fields[known["name"]] = unescape(known.get("value", "on"))
    fields.pop("csrf", None)
    return fields


def shown(page: str) -> str:
    """The panel's text."""
    return words('<main id="main"' + page.partition('id="preview"')[2].partition("</aside>")[0] + "</main>")


async def post(anna: Person, path: str, fields: dict[str, str], do: str = "preview") -> tuple[int, str]:
    answer = await anna.post(path, **fields, do=do)
    return answer.status, await answer.text()


async def made(pool: Pool) -> list[tuple[str, datetime]]:
    rows = await pool.fetch(
        "SELECT a.name, s.session_time FROM attempts AS a JOIN sessions AS s ON s.id = a.session_id"
        " WHERE a.backfill_number IS NOT NULL ORDER BY s.session_time, a.id"
    )
    return [(row["name"], row["session_time"]) for row in rows]


@pytest.fixture
async def anna(site: Site) -> Person:
    return await site.sign_in("operator")


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    """A daily one in Tokyo, which stands at 2 March 00:00 there."""
    return await make_schedule(pool, timezone="Asia/Tokyo")


@pytest.fixture
def path(stored: StoredSchedule) -> str:
    return f"/schedules/{stored.id}/backfill"


async def test_it_begins_with_the_last_slots_and_makes_them_as_shown(
    anna: Person, pool: Pool, stored: StoredSchedule, path: str
) -> None:
    failed, _ = await make_attempt(pool, stored, stored.next_session_at - 2 * DAY, "error")
    page = await anna.text(path)
    answer = await anna.post(path, **sent(page), do="run")
    name = sent(page)["name"]

    assert "7 to run of 7 slots" in shown(page)
    assert f'href="/sessions/{failed}">Sun 00:00</a><span><i class="mark k-failed"></i>runs again (failed)' in page
    assert "one after another" in shown(page)
    assert 303 == answer.status
    assert re.fullmatch(r"/backfills/[0-9a-f-]{36}", answer.headers["Location"])
    assert [(name, stored.next_session_at - number * DAY) for number in range(7, 0, -1)] == await made(pool)


CHOICES = [("all", 4, {}), ("succeeded", 3, {"succeeded": 1}), ("existing", 2, {"succeeded": 1, "failed": 1})]


@pytest.mark.parametrize(("choice", "runs", "left_out"), CHOICES)
async def test_each_slot_says_what_becomes_of_it_and_why(
    anna: Person, pool: Pool, stored: StoredSchedule, path: str, choice: str, runs: int, left_out: dict[str, int]
) -> None:
    await make_attempt(pool, stored, stored.next_session_at - DAY)
    await make_attempt(pool, stored, stored.next_session_at - 2 * DAY, "error")
    fields = sent(await anna.text(path)) | {"from": "2027-02-26T09:00", "sessions": choice}
    _, page = await post(anna, path, fields)

    assert f"{runs} to run of 4 slots" in shown(page)
    assert {word: count for word in ("succeeded", "failed") if (count := page.count(f">left out ({word})"))} == left_out
    assert 303 == (await anna.post(path, **sent(page), do="run")).status
    assert runs == len(await made(pool))


async def test_a_name_that_was_used_is_told_before_anything_is_made(
    anna: Person, pool: Pool, stored: StoredSchedule, path: str
) -> None:
    await backfill_days(pool, stored, days=2)
    _, page = await post(anna, path, sent(await anna.text(path)) | {"name": "again"})

    assert "2 sessions have an attempt of this name: nothing would be made." in shown(page)
    assert "digest" not in sent(page)
    assert 200 == (await post(anna, path, sent(page), "run"))[0]
    assert 2 == len(await made(pool))


async def test_a_form_that_was_changed_is_shown_again_before_it_is_made(anna: Person, pool: Pool, path: str) -> None:
    status, page = await post(anna, path, sent(await anna.text(path)) | {"count": "2"}, "run")

    assert 200 == status
    assert "The form was changed since this was shown." in page
    assert "2 to run of 2 slots" in shown(page)
    assert [] == await made(pool)
    assert 303 == (await anna.post(path, **sent(page), do="run")).status
    assert 2 == len(await made(pool))


async def test_sessions_that_came_meanwhile_are_shown_before_it_is_made(
    anna: Person, pool: Pool, stored: StoredSchedule, path: str
) -> None:
    _, page = await post(anna, path, sent(await anna.text(path)) | {"sessions": "existing"})
    await make_attempt(pool, stored, stored.next_session_at - DAY)
    status, changed = await post(anna, path, sent(page), "run")

    assert 409 == status
    assert "Sessions have come or gone since this was shown." in changed
    assert "6 to run of 7 slots" in shown(changed)
    assert [] == await made(pool)
    assert 303 == (await anna.post(path, **sent(changed), do="run")).status


async def test_what_was_shown_is_made_though_the_schedule_went_on(
    anna: Person, pool: Pool, stored: StoredSchedule, path: str
) -> None:
    page = await anna.text(path)
    await make_attempt(pool, stored, stored.next_session_at)
    await change(pool, stored, next_session_at=stored.next_session_at + DAY, next_run_at=stored.next_run_at + DAY)

    assert 303 == (await anna.post(path, **sent(page), do="run")).status
    assert stored.next_session_at - DAY == (await made(pool))[-1][1]
    assert 7 == len(await made(pool))


@pytest.mark.parametrize("schedule", [
    {"daily>": "09:00:00"}, {"minutes_interval>": 30, "delay": 90}, {"seconds_interval>": 4_000, "delay": 70},
])  # fmt: skip
async def test_the_schedule_is_moved_on_behind_what_it_missed(
    site: Site, pool: Pool, clock: FakeClock, schedule: dict[str, Any]
) -> None:
    stored = await make_schedule(pool, schedule)
    await change(pool, stored, disabled_at=NOON)
    clock.set(NOON + timedelta(days=2, minutes=5))
    anna = await site.sign_in("operator")
    path = f"/schedules/{stored.id}/backfill"
    fields = sent(await anna.text(path)) | {"from": "", "advance": "1"}
    _, page = await post(anna, path, fields)
    clock.set(NOON + timedelta(days=2, hours=3))
    answer = await anna.post(path, **sent(page), do="run")
    first, *_, last = await made(pool)

    assert 303 == answer.status
    assert "it goes on with" in shown(page)
    assert ("", stored.next_session_at) == first
    assert last[1] <= NOON + timedelta(days=2, minutes=5)
    following = stored.schedule().next(last[1])
    assert following is not None
    assert following.session_time == (await again(pool, stored)).next_session_at


async def test_what_has_no_session_is_asked_for_by_one_link(
    anna: Person, pool: Pool, stored: StoredSchedule, path: str
) -> None:
    for number in (1, 4, 5):
        await make_attempt(pool, stored, stored.next_session_at - number * DAY)
    page = await anna.text(f"/schedules/{stored.id}")

    assert f'href="{path}?empty=1"' in page
    assert "2 to run of 2 slots" in shown(await anna.text(path + "?empty=1"))


async def test_hours_are_set_by_buttons_alone(anna: Person, pool: Pool, path: str) -> None:
    _, page = await post(anna, path, sent(await anna.text(path)) | {"max_in_flight": "3"}, "preset:weeknights")
    assert "3 at once, in the hours that you have set" in shown(page)
    await anna.post(path, **sent(page), do="run")

    windows, zone = await pool.fetchrow(
        "SELECT settings -> 'daily_execution_windows' ->> 'monday', settings ->> 'timezone' FROM backfills"
    )
    assert "22:00" in windows
    assert "Asia/Tokyo" == zone


FAULTS: list[tuple[dict[str, str], str, str]] = [
    ({"from": "yesterday"}, "from", "must be a time"),
    ({"from": ""}, "from", "is required"),
    ({"to": "2027-02-30 00:00"}, "to", "there is no such time"),
    ({"from": "2027-02-20T00:00", "to": "2027-02-19T00:00"}, "to", "must be later"),
    ({"count": "many"}, "count", "must be a whole number"),
    ({"count": "400"}, "count", "only 7 sessions are available"),
    ({"name": ""}, "name", "is required"),
    ({"max_in_flight": "40"}, "max_in_flight", "must be 1 to 10"),
    ({"w.0.from": "22:00", "w.0.to": "06:00"}, "w.0.from", "choose the days"),
    ({"w.0.d0": "1", "w.0.from": "late", "w.0.to": "06:00"}, "w.0.from", "late"),
    ({"w.0.d0": "1", "w.0.from": "22:00", "w.0.to": "06:00", "window_timezone": "Tokio"}, "window_timezone", "Tokyo"),
]


async def test_every_fault_stands_at_its_field(anna: Person, pool: Pool, path: str) -> None:
    plain = sent(await anna.text(path))
    for changed, name, told in FAULTS:
        fields = plain | changed
        _, page = await post(anna, path, fields)
        wrong = re.search(rf'id="{name.replace(".", "-")}-wrong">([^<]+)<', page)

        assert wrong is not None, changed
        assert told in unescape(wrong[1]), changed
        assert re.search(rf'name="{re.escape(name)}" aria-invalid="true"', page), changed
        assert (await post(anna, path, fields, "run"))[0] in (200, 422), changed
    assert [] == await made(pool)


async def test_a_time_that_the_clocks_show_twice_is_asked_for_with_its_offset(anna: Person, pool: Pool) -> None:
    stored = await make_schedule(
        pool,
        {"hourly>": "30:00"},
        timezone="Europe/Berlin",
        next_session_at=datetime.fromisoformat("2026-10-25T06:00:00+00:00"),
    )
    path = f"/schedules/{stored.id}/backfill"
    first = await anna.text(path)
    _, unclear = await post(anna, path, sent(first) | {"from": "2026-10-25T02:30"})
    _, clear = await post(anna, path, sent(unclear) | {"from": "2026-10-25T02:30:00+01:00"})

    assert "the clocks show twice" in unclear
    assert 'name="from" aria-invalid="true" aria-describedby="from-wrong" type="text"' in unclear
    assert "of 5 slots" in shown(clear)


async def test_a_long_range_is_listed_at_its_ends(anna: Person, pool: Pool) -> None:
    stored = await make_schedule(pool, {"minutes_interval>": 1})
    path = f"/schedules/{stored.id}/backfill"
    _, page = await post(anna, path, sent(await anna.text(path)) | {"from": "2027-02-28T12:00"})

    assert "1 440 to run of 1 440 slots" in shown(page)
    assert "more like these" in shown(page)
    assert len(page) < 60_000


async def test_a_disabled_workflow_says_so_and_makes_nothing(anna: Person, pool: Pool, path: str) -> None:
    await pool.execute("UPDATE workflows SET enabled = false")
    page = await anna.text(path)

    assert "is disabled" in shown(page)
    assert 200 == (await post(anna, path, sent(page), "run"))[0]
    assert [] == await made(pool)


async def test_a_forged_digest_makes_nothing_that_was_not_shown(anna: Person, pool: Pool, path: str) -> None:
    fields = sent(await anna.text(path))
    for forged in ({"digest": "0" * 32}, {"pin.count": "x"}, {"pin.from": "2027-01-01T00:00:00"}, {"pin.count": "3"}):
        assert (await post(anna, path, fields | forged, "run"))[0] in (200, 409)
    assert [] == await made(pool)


async def test_a_viewer_is_not_asked(site: Site, pool: Pool, path: str) -> None:
    viewer = await site.sign_in("viewer")

    assert 403 == (await viewer.get(path)).status
    assert 403 == (await viewer.post(path, do="run")).status
    assert [] == await made(pool)
