"""What every page shows when something is missing: not counted yet, not for whoever asks, not readable, not live."""

import re

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.support.ledgers import make_ledger
from tests.web.conftest import Site

from backfilld.domain.backfills.states import Status
from backfilld.store.connection.pool import Pool


@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_what_is_still_being_counted_is_never_called_nothing(site: Site, pool: Pool, verb: str) -> None:
    backfill = await make_backfill(pool)
    operator = await site.sign_in("operator")
    asked = await operator.text(f"/backfills/{backfill.id}/{verb}")
    tabs = [await operator.text(f"/backfills/{backfill.id}{tab}") for tab in ("", "/entities")]
    pages = [page.partition('id="tabs"')[2] for page in tabs]

    assert re.search(r"still being counted|as far as it is", asked)
    assert not re.search(r"\b0 (that|are|of|so far)\b", "".join([asked, *pages]))
    assert ">0</b>" not in "".join(pages)


async def test_what_is_not_for_somebody_looks_like_what_is_not_there(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    viewer = await site.sign_in("viewer")
    forbidden = await (await viewer.get(f"/backfills/{backfill.id}/pause")).text()
    gone = await (await viewer.get("/backfills/00000000-0000-0000-0000-000000000000")).text()

    for page in (forbidden, gone):
        assert "<h1>There is nothing here" in page
        assert 'aria-label="Search backfills"' in page
        assert "Request <code>" in page
    assert "role operator" in forbidden


async def test_an_entry_that_cannot_be_read_hides_no_other(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"a": "succeeded", "b": "succeeded"})
    await pool.execute("UPDATE outcomes SET result = $1 WHERE position = 0", "[" * 4_000 + "]" * 4_000)
    viewer = await site.sign_in("viewer")
    ledger = await viewer.text(f"/backfills/{backfill.id}/entities")
    entity = await viewer.text(f"/backfills/{backfill.id}/entities/a")

    assert [("a", "unreadable"), ("b", "succeeded")] == [
        (found[0], found[1])
        for found in re.findall(r'entities/(\w+)".*?<i class="mark[^>]*></i>(\w+)', ledger, re.DOTALL)
    ]
    assert "This version cannot read it" in entity


async def test_without_script_a_page_says_of_when_it_is(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool, timezone="America/New_York")
    viewer = await site.sign_in("viewer")
    page, overview = await viewer.text(f"/backfills/{backfill.id}"), await viewer.text("/")
    await put_into(pool, backfill, Status.COMPLETED)
    ended = await viewer.text(f"/backfills/{backfill.id}")

    assert "As of 07:00 New York; reload for news" in page
    assert "As of 12:00 UTC; reload for news" in overview
    assert "reload for news" not in ended
