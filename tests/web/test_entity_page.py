"""One entity of a backfill: what it says and whose words these are, its tries, its result."""

import re
from typing import Any

import pytest
from tests.support.backfill_api import make_operations, store_entities
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.ledgers import insert_try, make_ledger
from tests.web.conftest import Site

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.sources.base import SourceUnreachable
from backfilld.store.connection.pool import Pool

NOT_KEPT = "They are read anew right before each start; what was sent is not kept."


class Dear:
    """A source of which each look costs a request; nobody answers."""

    can_be_read_again, freshness_seconds = True, 60.0
    asked = 0

    async def read(self, entity_type: str, ids: Any) -> Any:
        self.asked += 1
        raise SourceUnreachable("nobody listens")


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool, timezone="America/New_York")
    await make_ledger(pool, backfill, {"e0": "succeeded", "e1": "failed:http_409"})
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    return backfill


def attributes(page: str) -> str:
    found = re.search(r'<section class="card" aria-labelledby="attributes">(.*?)</section>', page, re.DOTALL)

    assert found is not None
    return found[1]


async def test_attributes_that_are_not_kept_are_shown_as_they_are_now(
    site: Site, pool: Pool, backfill: Backfill
) -> None:
    await store_entities(pool, {"priority": 2})
    page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}/entities/e0")

    assert ">As they are now, read 07:00. They" in attributes(page)
    assert ">As sent.<" not in attributes(page)
    assert NOT_KEPT in page
    assert "&#34;priority&#34;: 2" in attributes(page)


async def test_an_entity_that_is_gone_is_said_so(site: Site, backfill: Backfill) -> None:
    page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}/entities/e0")

    assert "There is no such ticket any more." in attributes(page)


async def test_very_long_attributes_are_cut_and_say_so(site: Site, pool: Pool, backfill: Backfill) -> None:
    await store_entities(pool, {"note": "x" * 30_000})
    page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}/entities/e0")

    assert 60_000 > len(page)
    assert "10\u202f016 more characters are not shown; the API has them all." in page


class TestOfASourceThatCounts:
    @pytest.fixture
    def source(self) -> Dear:
        return Dear()

    @pytest.fixture
    def operations(self, pool: Pool, clock: FakeClock, control: FakeControl, source: Dear) -> BackfillOperations:
        return make_operations(pool, clock, control, source=source)

    async def test_nothing_is_asked_until_somebody_wants_it(self, site: Site, backfill: Backfill, source: Dear) -> None:
        page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}/entities/e0")

        assert 0 == source.asked
        assert "Read them now" in attributes(page)

    async def test_that_it_does_not_answer_takes_nothing_else_away(
        self, site: Site, backfill: Backfill, source: Dear
    ) -> None:
        path = f"/backfills/{backfill.id}/entities/e0?attributes=read"
        page = await (await site.sign_in("viewer")).text(path)

        assert 1 == source.asked
        assert "The source of type ticket cannot be read: nobody listens." in attributes(page)
        assert "Try again" in attributes(page)
        assert "&#34;label&#34;: &#34;a&#34;" in page


class TestOfASourceThatIsReadOnce:
    @pytest.fixture
    def operations(self, pool: Pool, clock: FakeClock, control: FakeControl) -> BackfillOperations:
        source = Dear()
        source.can_be_read_again = False
        return make_operations(pool, clock, control, source=source)

    async def test_what_the_plan_keeps_was_sent(self, site: Site, pool: Pool, backfill: Backfill) -> None:
        await pool.execute("""UPDATE plan_items SET attributes = '{"priority": 1}'""")
        page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}/entities/e0")

        assert ">As sent.<" in attributes(page)
        assert NOT_KEPT not in page
        assert "&#34;priority&#34;: 1" in attributes(page)


async def test_every_try_says_when_it_began_how_long_it_took_and_what_came_of_it(
    site: Site, pool: Pool, backfill: Backfill
) -> None:
    await insert_try(pool, backfill.number, 1)
    await pool.execute("UPDATE outcomes SET attempts = 2, http_status = 409 WHERE position = 1")
    page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}/entities/e1")
    tries = [re.sub(r"<[^>]+>", "", one) for one in re.findall(r"<li><p>(.*?)</p>", page)]

    assert [
        "1 failed · Mon 07:00:00 · took 250 ms · HTTP 503 · timeout",
        "2 failed · Mon 07:00:00 · took 250 ms · HTTP 409 · http_409",
    ] == tries


async def test_without_script_nothing_offers_to_copy(site: Site, backfill: Backfill) -> None:
    page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}/entities/e0")
    buttons = re.findall(r'<button [^>]*class="([^"]*)" data-copy', page)

    assert buttons
    assert all("script" in classes.split() for classes in buttons)
