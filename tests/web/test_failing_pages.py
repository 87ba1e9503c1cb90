"""What of the schedules and of the installation cannot be read says so in its place; the rest of its page lives."""

from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.clock import FakeClock
from tests.support.past_sessions import make_attempt
from tests.support.schedules import make_schedule
from tests.support.system import System
from tests.web.conftest import Site
from tests.web.test_failed_cards import UNREADABLE, after_a_while, broken, failed_of, requests_of
from tests.web.test_live import stream

from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.store.connection.pool import Pool
from backfilld.web.pages.schedules import routes as schedules
from backfilld.web.pages.session import routes as shown_session
from backfilld.web.pages.system.tabs import LIVE, TABS


def system_faults(system: System) -> dict[str, tuple[Any, str]]:
    """Page → whose answer it shows."""
    verbs = system.verbs
    return {
        "/system": (verbs.status, "read"), "/system/targets": (verbs.targets, "list_all"),
        "/system/sources": (verbs.sources, "list"), "/system/brakes": (verbs.brakes, "list_all"),
        "/system/workflows": (verbs.workflows, "list"), "/system/notifications": (verbs.notifications, "list_all"),
        "/system/notifications/desk": (verbs.notifications, "list_deliveries"), "/system/keys": (verbs.keys, "list"),
        "/system/audit": (verbs.audit, "list_page"),
    }  # fmt: skip


async def test_a_page_of_the_installation_that_fails_keeps_its_head_and_its_tabs(
    site: Site, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, faults = await site.sign_in("admin"), system_faults(system)
    for path, (whose, verb) in faults.items():
        with monkeypatch.context() as patched, capture_logs() as logged:
            patched.setattr(type(whose), verb, broken)
            answer = await admin.get(path)
            page = await answer.text()

        assert (500, ["part"]) == (answer.status, failed_of(page)), path
        assert UNREADABLE not in page, path
        assert f'href="{path}">Try again</a>' in page, path
        assert "Stop everything…" in page, path
        assert all(f'<a href="{tab.path}"' in page for tab in TABS), path
        assert requests_of(page) == [one["request_id"] for one in logged if one["event"] == "part of a page failed"]


async def test_every_page_that_only_shows_something_is_made_to_fail_here(site: Site, system: System) -> None:
    """What asks before it does something is a single card."""
    asks = {page.path for page in site.pages if page.method == "POST"}
    shown = {page.path for page in site.pages if page.method == "GET" and not page.is_stream} - asks

    assert {*system_faults(system)} == {one.replace("{name}", "desk") for one in shown if one.startswith("/system")}


async def test_a_page_of_the_installation_that_is_watched_fails_alone_and_comes_back(
    site: Site, system: System, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await site.sign_in("viewer")
    for path, (whose, verb) in system_faults(system).items():
        name = path.removeprefix("/system").strip("/") or "health"
        if name not in LIVE:
            continue
        async with stream(person, f"/events/system/{name}") as live:
            await live.next()
            with monkeypatch.context() as patched:
                patched.setattr(type(whose), verb, broken)
                failing = await after_a_while(live, clock, "failed-card")
            well = await after_a_while(live, clock, 'id="part"')

        assert (["part"], []) == (failed_of(failing), failed_of(well)), path
        assert "event: stale" not in failing, path


async def test_a_schedule_that_cannot_be_drawn_hides_no_other(
    site: Site, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await make_schedule(pool), await make_schedule(pool)
    drawn = schedules.row_of

    def row_of(seen: Any, state: Any, now: Any) -> Any:
        return broken() if seen.stored.id == one.id else drawn(seen, state, now)

    monkeypatch.setattr(schedules, "row_of", row_of)
    person = await site.sign_in("viewer")
    page = await person.text("/schedules")
    async with stream(person, "/events/schedules") as live:
        sent = await live.next()

    for text in (page, sent):
        assert f'<div class="line" id="s{one.id}">' in text
        assert f'<a href="/schedules/{one.id}">{one.workflow_name}</a>' in text
        assert "This row cannot be shown." in text
        assert f'<a href="/schedules/{other.id}">{other.workflow_name}</a>' in text


async def test_a_card_of_a_schedule_that_fails_leaves_the_others(
    site: Site, pool: Pool, clock: FakeClock, verbs: ScheduleVerbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await make_schedule(pool)
    person, path = await site.sign_in("operator"), f"/schedules/{stored.id}"
    await person.post(f"{path}/disable", reason="so")
    faults = {
        "strip": (type(verbs.overview), "slots"), "sessions": (type(verbs.overview), "sessions"),
        "done": (schedules, "days_of"),
    }  # fmt: skip
    marks = {
        "strip": "Last slots",
        "sessions": "It has had no session yet.",
        "done": '<h2 id="done">What was done to it',
    }
    for card, (whose, name) in faults.items():
        with monkeypatch.context() as patched:
            patched.setattr(whose, name, broken)
            page = await person.text(path)
            if card != "done":  # which is not followed
                async with stream(person, f"/events{path}") as live:
                    await after_a_while(live, clock, f'failed-card" id="{card}"')

        assert [card] == failed_of(page)
        assert f'href="{path}">Try again</a>' in page, card
        assert f'href="{path}/enable"' in page, card
        assert all(mark in page for other, mark in marks.items() if other != card), card


async def test_an_attempt_that_cannot_be_drawn_hides_no_other_and_a_list_that_fails_not_the_head(
    site: Site, pool: Pool, clock: FakeClock, verbs: ScheduleVerbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await make_schedule(pool)
    made = [await make_attempt(pool, stored, stored.next_session_at, "error", name=name) for name in ("", "again")]
    session, ids = made[0][0], [attempt for _, attempt in made]
    person, path = await site.sign_in("operator"), f"/sessions/{session}"
    whole = await person.text(path)
    drawn = shown_session.attempt_of

    def attempt_of(one: Any, *rest: Any) -> Any:
        return broken() if one.id == ids[0] else drawn(one, *rest)

    for whose, name, instead, failed in (
        (shown_session, "attempt_of", attempt_of, f"a{ids[0]}"),
        (type(verbs.sessions), "attempts_of_session", broken, "attempts"),
        (type(verbs.overview), "names", broken, "attempts"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(whose, name, instead)
            page = await person.text(path)
            async with stream(person, f"/events{path}") as live:
                await after_a_while(live, clock, f'failed-card" id="{failed}"')

        assert [failed] == failed_of(page), name
        assert (failed != "attempts") == (f'id="a{ids[1]}"' in page), name
        assert f'href="{path}/retry"' in page, name
    assert [] == failed_of(whole)
