"""A session that ends while somebody types: nothing of it is lost, and nothing is done in his name unseen."""

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.web.conftest import Person, Site
from tests.web.forms import sent

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.store.connection.pool import Pool

TYPED = "half a sentence\nand <b>“more”</b>"


@pytest.fixture
async def running(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    return backfill


async def status_of(pool: Pool) -> str:
    return str(await pool.fetchval("SELECT status FROM backfills"))


async def test_what_was_typed_is_sent_after_signing_in_again(site: Site, pool: Pool, running: Backfill) -> None:
    anna: Person = await site.sign_in("operator")
    await pool.execute("DELETE FROM web_sessions")
    path = f"/backfills/{running.id}/pause"
    out = await anna.post(path, reason=TYPED)
    kept = sent(await out.text(), "again")

    assert (401, {"reason": TYPED}) == (out.status, kept)
    assert "running" == await status_of(pool)
    key = await site.key("operator")
    assert 303 == (await anna.post("/sign-in", key=key.key, csrf=None)).status  # in another tab
    stale = await anna.post(path, **kept)
    page = await stale.text()
    again = sent(page, "again")

    assert (403, kept) == (stale.status, again)
    assert "it would be sent as the operator, operator" in page
    assert "running" == await status_of(pool)
    await anna.take_token()
    assert anna.csrf in page
    assert 303 == (await anna.post(path, **again)).status
    assert "paused" == await status_of(pool)
    assert "half a sentence" in await anna.text(f"/backfills/{running.id}")


async def test_a_smaller_role_is_refused_at_once(site: Site, pool: Pool, running: Backfill) -> None:
    viewer = await site.sign_in("viewer")
    answer = await viewer.post(f"/backfills/{running.id}/pause", csrf="0" * 64)

    assert 403 == answer.status
    assert "Send it again" not in await answer.text()


async def test_a_page_that_asks_by_itself_is_told_and_not_replaced(site: Site) -> None:
    stranger = await site.stranger()
    headers = {"Origin": stranger.url, "HX-Request": "true"}
    answer = await stranger.post("/backfills/new", headers=headers, name="x")

    assert (204, "true") == (answer.status, answer.headers["X-Signed-Out"])


async def test_what_is_too_large_to_keep_says_so(site: Site) -> None:
    stranger = await site.stranger()
    answer = await stranger.post("/backfills/new", json="x" * 600_000)

    assert 401 == answer.status
    assert "Sign in in a new tab" in await answer.text()
