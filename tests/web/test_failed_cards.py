"""A part of a page that raises says so in its place, with the id of the request; the others live."""

import asyncio
import re
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import FakeClock
from tests.support.ledgers import make_ledger
from tests.web.conftest import Site
from tests.web.test_live import Stream, stream, targets

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.store.connection.pool import Pool
from backfilld.web.pages.backfill.progress import cards
from backfilld.web.pages.overview import routes as overview

NIGHTS = {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}
FAULTS = {  # card → what is asked or reckoned for it alone
    "progress": "numbers_of", "flight": "slots_of", "card-chart": "chart_of", "card-openings": "openings_of",
    "card-failed": "groups_of", "card-timeline": "days_of",
}  # fmt: skip
UNREADABLE = "🦀 not for people"


def broken(*_: Any, **__: Any) -> Any:
    raise LookupError(UNREADABLE)


@pytest.fixture
async def running(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool, name="mine", daily_execution_windows=NIGHTS)
    await make_ledger(pool, backfill, {"a": "succeeded", "b": "failed:http_409", "c": "pending"})
    await put_into(pool, backfill, Status.RUNNING)
    return backfill


async def after_a_while(live: Stream, clock: FakeClock, text: str) -> str:
    """All that is sent until `text` is, for which the page is looked at as often as it takes."""
    sent = ""
    for _ in range(20):  # messages: what is sent for other reasons comes between
        if text in sent:
            break
        coming = asyncio.create_task(live.next())
        while not coming.done():
            await clock.advance(1)
            await asyncio.wait({coming}, timeout=0.05)
        sent += coming.result()
    assert text in sent
    return sent


def failed_of(page: str) -> list[str]:
    return re.findall(r'<section class="card failed-card" id="([\w-]+)"', page)


def requests_of(page: str) -> list[str]:
    return re.findall(r"Request <code>([0-9a-f-]+)</code>", page)


async def test_a_card_that_fails_says_so_and_the_others_are_there(
    site: Site, running: Backfill, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = await site.sign_in("viewer")
    for card, reckoned in FAULTS.items():
        with monkeypatch.context() as patched, capture_logs() as logged:
            patched.setattr(cards, reckoned, broken)
            page = await viewer.text(f"/backfills/{running.id}")

        assert [card] == failed_of(page)
        assert UNREADABLE not in page, card
        assert f'href="/backfills/{running.id}">Try again</a>' in page, card
        assert "What failed" in page, card
        assert "Timeline" in page, card
        (fault,) = [one for one in logged if one["event"] == "part of a page failed"]
        assert requests_of(page) == [fault["request_id"]]
        assert (card, UNREADABLE) == (fault["part"], str(fault["exc_info"].args[0]))


async def test_a_card_that_begins_to_fail_while_it_is_watched_is_replaced_alone_and_comes_back(
    site: Site, pool: Pool, clock: FakeClock, running: Backfill, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await site.sign_in("viewer")
    async with stream(person, f"/events/backfills/{running.id}/progress") as live:
        first = await live.next()
        with capture_logs() as logged, monkeypatch.context() as patched:
            patched.setattr(cards, "numbers_of", broken)
            second = await after_a_while(live, clock, "failed-card")
            await pool.execute("UPDATE backfills SET name = 'yours'")
            third = await after_a_while(live, clock, "yours")
        last = await after_a_while(live, clock, 'id="progress"')

    assert [] == failed_of(first)
    assert "progress" in targets(second)
    assert ["progress"] == failed_of(second)
    assert ("yours" in third, "progress" in targets(third)) == (True, False)
    assert ("progress" in targets(last), failed_of(last)) == (True, [])
    assert [requests_of(second)[0]] == [one["request_id"] for one in logged if one["event"] == "part of a page failed"]


async def test_a_tab_that_fails_leaves_the_rest_of_the_page(
    site: Site, running: Backfill, operations: BackfillOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("list_page", "get"):
        monkeypatch.setattr(operations.ledger, name, broken)
    monkeypatch.setattr(operations.errors, "list_groups", broken)
    monkeypatch.setattr("backfilld.web.pages.backfill.routes.days_of", broken)
    monkeypatch.setattr("backfilld.web.pages.backfill.routes.settings.groups_of", broken)
    viewer = await site.sign_in("viewer")
    for tab in ("entities", "errors", "timeline", "settings", "entities/b"):
        answer = await viewer.get(f"/backfills/{running.id}/{tab}")
        page = await answer.text()

        assert 500 == answer.status, tab
        assert ["tab"] == failed_of(page), tab
        assert f'href="/backfills/{running.id}/{tab}">Try again</a>' in page, tab
        assert ">mine <" in page, tab
        assert f'href="/backfills/{running.id}/settings"' in page, tab


async def test_a_row_that_fails_hides_no_other(
    site: Site, pool: Pool, clock: FakeClock, running: Backfill, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await make_backfill(pool, name="other")
    drawn = overview.row_of

    def row_of(seen: Any, now: Any) -> Any:
        return broken() if seen[0].number == running.number else drawn(seen, now)

    monkeypatch.setattr(overview, "row_of", row_of)
    person = await site.sign_in("viewer")
    page = await person.text("/")
    async with stream(person, "/events/overview") as live:
        sent = await live.next()

    for text in (page, sent):
        assert f'<div class="line" id="b{running.number}">' in text
        assert "This row cannot be shown." in text
        assert f'href="/backfills/{other.id}">other</a>' in text


async def test_a_page_that_fails_whole_can_be_tried_again(
    site: Site, operations: BackfillOperations, running: Backfill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations.explainer, "look", broken)
    answer = await (await site.sign_in("viewer")).get(f"/backfills/{running.id}")
    page = await answer.text()

    assert 500 == answer.status
    assert f'href="/backfills/{running.id}">Try again</a>' in page
    assert UNREADABLE not in page


async def test_a_page_that_fails_whole_while_it_is_watched_is_stale_and_logged_once(
    site: Site, clock: FakeClock, operations: BackfillOperations, running: Backfill, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await site.sign_in("viewer")
    async with stream(person, f"/events/backfills/{running.id}/progress") as live:
        await live.next()
        with capture_logs() as logged:
            monkeypatch.setattr(operations.explainer, "look", broken)
            stale = await after_a_while(live, clock, "event: stale")
            await clock.advance(1)
            await clock.advance(1)

    assert "event: stale\ndata: -" in stale
    assert 1 == len([one for one in logged if one["event"] == "a page cannot be drawn anew"])
