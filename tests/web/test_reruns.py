"""Running items again from the pages: which, how many, and once."""

import re

import pytest
from tests.support.backfills import Workflow, make_backfill, put_into
from tests.support.ledgers import make_ledger
from tests.web.conftest import Person, Site
from tests.web.forms import sent

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.store.connection.pool import Pool

ITEMS = {"a": "failed:http_409", "b": "failed:http_409", "c": "failed:timeout", "d": "succeeded", "e": "skipped"}


@pytest.fixture
async def ended(pool: Pool, workflow: Workflow) -> Backfill:
    backfill = await make_backfill(pool, workflow)
    await make_ledger(pool, backfill, ITEMS)
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    return backfill


@pytest.fixture
async def anna(site: Site) -> Person:
    return await site.sign_in("operator")


def told(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition('id="counted"')[2].partition("</form>")[0]).split())


async def children(pool: Pool, parent: Backfill) -> list[list[str]]:
    rows = await pool.fetch(
        "SELECT b.number, array(SELECT entity_id FROM backfill_ids WHERE backfill_number = b.number ORDER BY 1) AS ids"
        " FROM backfills AS b WHERE parent_number = $1 ORDER BY 1", parent.number,
    )  # fmt: skip
    return [row["ids"] for row in rows]


CHOSEN: list[tuple[str, int]] = [
    ("", 3),
    ("?status=failed", 3),
    ("?status=failed&error_class=timeout", 1),
    ("?status=succeeded", 1),
    ("?status=succeeded,skipped", 2),
    ("?status=failed&entity_ids=a%0Ac", 2),
    ("?status=nonsense&error_group=zz", 3),
]


@pytest.mark.parametrize(("query", "count"), CHOSEN)
async def test_the_count_is_of_what_is_made(anna: Person, pool: Pool, ended: Backfill, query: str, count: int) -> None:
    page = await anna.text(f"/backfills/{ended.id}/rerun{query}")
    statuses = re.findall(r'name="status" value="(\w+)" checked', page)
    fields = {name: value for name, value in sent(page, "rerun").items() if name != "status"}
    answer = await anna.session.post(
        f"/backfills/{ended.id}/rerun", allow_redirects=False, headers={"Origin": anna.url},
        data=[("csrf", anna.csrf), ("do", "rerun"), *fields.items(), *(("status", one) for one in statuses)],
    )  # fmt: skip

    assert f"Rerun {count}" in told(page)
    assert 303 == answer.status
    child = answer.headers["Location"].rpartition("/")[2]
    settled = await pool.fetchrow("SELECT parent_number FROM backfills WHERE id = $1", child)
    assert settled is not None
    assert ended.number == settled["parent_number"]


async def test_a_group_of_failures_is_rerun_from_the_page_of_failures(
    anna: Person, pool: Pool, ended: Backfill
) -> None:
    page = await anna.text(f"/backfills/{ended.id}/errors")
    links = [one.replace("&amp;", "&") for one in re.findall(r'href="([^"]*/rerun\?[^"]*)"', page)]

    assert ["Rerun 2", "Rerun 1"] == [re.findall(r"Rerun \d+", told(await anna.text(one)))[0] for one in links]


@pytest.mark.parametrize("path", ["/rerun", "/rerun-failed"])
async def test_a_form_that_is_sent_twice_makes_one(anna: Person, pool: Pool, ended: Backfill, path: str) -> None:
    page = await anna.text(f"/backfills/{ended.id}{path}")
    fields = {"status": "failed", "count": "3", "do": "rerun", "key": sent(page, "rerun").get("key", "0123")}
    first, second = [await anna.post(f"/backfills/{ended.id}{path}", **fields) for _ in range(2)]

    assert (303, 303) == (first.status, second.status)
    assert first.headers["Location"] == second.headers["Location"]
    assert 1 == len(await children(pool, ended))


async def test_what_was_not_counted_is_not_made(anna: Person, pool: Pool, ended: Backfill) -> None:
    answer = await anna.post(f"/backfills/{ended.id}/rerun", status="failed", count="2", do="rerun")
    page = await answer.text()

    assert 409 == answer.status
    assert "Look at the number, then send it again." in page
    assert [] == await children(pool, ended)


NOT_COUNTED: list[tuple[dict[str, str], str]] = [
    ({}, "Choose what became of those"),
    ({"status": "succeeded", "error_class": "timeout"}, "Only what failed has one"),
    ({"status": "failed", "entity_ids": "a\nnobody"}, "is not in the plan"),
    ({"status": "failed", "error_class": "http_410"}, "Nothing chosen failed with"),
]


async def test_what_cannot_be_counted_is_told_and_nothing_typed_is_lost(anna: Person, ended: Backfill) -> None:
    for fields, said in NOT_COUNTED:
        answer = await anna.post(f"/backfills/{ended.id}/rerun", **fields, do="count", reason="why")
        page = await answer.text()
        kept = sent(page, "rerun")

        assert said in page
        assert "Rerun " not in told(page), fields
        assert fields.get("entity_ids", "") == kept["entity_ids"], fields
        assert ("why", fields.get("error_class", "")) == (kept["reason"], kept["error_class"]), fields


async def test_the_ledger_leads_to_a_rerun_and_a_file_of_what_it_shows(anna: Person, ended: Backfill) -> None:
    page = await anna.text(f"/backfills/{ended.id}/entities?status=skipped")
    files = [await anna.get(f"/backfills/{ended.id}/report?format={kind}&status=skipped") for kind in ("csv", "jsonl")]
    csv, jsonl = [await one.text() for one in files]

    assert f"/backfills/{ended.id}/rerun?status=skipped" in page
    assert f"/backfills/{ended.id}/report?format=csv&amp;status=skipped" in page
    assert ["e"] == [line.split(",")[0] for line in csv.splitlines()[1:]]
    assert ['{"entity_id":"e"'] == [line.split(",")[0] for line in jsonl.splitlines()]


async def test_a_report_is_a_file_that_viewers_may_have_and_strangers_not(site: Site, ended: Backfill) -> None:
    viewer, stranger = await site.sign_in("viewer"), await site.stranger()
    whole = await viewer.get(f"/backfills/{ended.id}/report?format=csv")
    turned_away = await stranger.get(f"/backfills/{ended.id}/report")

    assert "attachment" in whole.headers["Content-Disposition"]
    assert 1 + len(ITEMS) == len((await whole.text()).splitlines())
    assert 303 == turned_away.status
    assert turned_away.headers["Location"].startswith("/sign-in?next=")
