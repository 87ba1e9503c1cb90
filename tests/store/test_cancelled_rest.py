"""What a cancel left untouched has no row, and reads everywhere as if it had one."""

from itertools import product

import pytest
from tests.support.backfills import make_backfill, make_workflow, new_backfill, put_into
from tests.support.clock import NOON
from tests.support.ledgers import MOMENT, make_ledger

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.ids import EndedIn, list_ids
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.digests import DigestStore
from backfilld.store.ledger.entries import LedgerEntry
from backfilld.store.ledger.ledger import Ledger
from backfilld.store.ledger.pages import LedgerPages

ENTRIES = {
    "a": "succeeded", "b": "failed:http_404", "c": "pending", "d": "skipped", "e": "pending", "f": "pending",
    "g": "succeeded", "h": "pending",
}  # fmt: skip
CANCELLED = "cefh"


@pytest.fixture
async def both(pool: Pool) -> tuple[Backfill, Backfill]:
    """The same, cancelled with and without a row for each."""
    workflow = await make_workflow(pool)
    before = await make_backfill(pool, workflow, exclusive=False)
    written = {id: "cancelled" if status == "pending" else status for id, status in ENTRIES.items()}
    await make_ledger(pool, before, written)
    now = await make_backfill(pool, workflow, exclusive=False)
    await make_ledger(pool, now, ENTRIES)
    lease = await LeaseStore(pool, instance="a", process="1").acquire(now.number)
    assert lease is not None
    assert await Ledger(pool).cancel_rest(now.number, lease.fence, NOON + MOMENT)
    for backfill in (before, now):
        await put_into(pool, backfill, Status.CANCELLED)
    await pool.execute("UPDATE leases SET released = true")
    return before, now


async def paged(pages: LedgerPages, backfill: Backfill, statuses: list[str], most: int) -> list[LedgerEntry]:
    found: list[LedgerEntry] = []
    while page := await pages.list_page(
        backfill.number, statuses=statuses, behind=found[-1].position if found else -1, limit=most
    ):
        found += page
    return found


async def test_every_page_of_the_ledger_is_the_same(pool: Pool, both: tuple[Backfill, Backfill]) -> None:
    some: list[list[str]] = [[], ["cancelled"], ["cancelled", "failed"], ["pending"], ["skipped"]]
    for statuses, most in product(some, (1, 2, 100)):
        before, now = [await paged(LedgerPages(pool), backfill, statuses, most) for backfill in both]

        assert before == now, (statuses, most)
        assert "cancelled" not in statuses or set(CANCELLED) <= {entry.entity_id for entry in now}


async def test_there_are_no_rows(pool: Pool, both: tuple[Backfill, Backfill]) -> None:
    number = both[1].number

    assert 4 == await pool.fetchval("SELECT count(*) FROM outcomes WHERE backfill_number = $1", number)
    assert 4 == await pool.fetchval("SELECT cancelled FROM backfill_progress WHERE backfill_number = $1", number)


async def test_one_entity_reads_the_same_here_and_from_elsewhere(pool: Pool, both: tuple[Backfill, Backfill]) -> None:
    pages = LedgerPages(pool)
    found = [await pages.find(backfill.number, "e") for backfill in both]
    elsewhere = [await pages.list_elsewhere(backfill.number, "e") for backfill in both]

    assert found[0] == found[1]
    assert found[1] is not None
    assert ("cancelled", NOON + MOMENT) == (found[1].status, found[1].finished_at)
    assert [[("cancelled", NOON + MOMENT)]] * 2 == [
        [(one.status, one.finished_at) for one in many] for many in elsewhere
    ]


@pytest.mark.parametrize(
    "statuses", [("cancelled",), ("cancelled", "failed"), ("succeeded",), ("skipped", "cancelled")]
)
async def test_a_rerun_takes_the_same(pool: Pool, both: tuple[Backfill, Backfill], statuses: tuple[str, ...]) -> None:
    pages, among = LedgerPages(pool), ["h", "a", "c", "nobody", "b"]
    listed = [await pages.list_ended_ids(one.number, statuses=statuses) for one in both]
    some = [await pages.list_ended_ids(one.number, statuses=statuses, among=among) for one in both]
    copied = []
    for one in both:
        async with pool.acquire() as connection, connection.transaction():
            made = new_backfill(one, entity_ids=EndedIn(one.number, statuses=statuses), exclusive=False)
            child = await BackfillStore(pool).insert(made, on=connection)
            copied.append(await list_ids(connection, child.number, since=0, most=99))

    assert listed[0] == listed[1] == copied[0] == copied[1]
    assert some[0] == some[1] == [id for id in sorted(among) if id in listed[1]]
    assert ("cancelled" in statuses) == ({"c", "e", "f", "h"} <= set(listed[1]))


async def test_a_rerun_of_an_error_class_takes_nothing_of_the_rest(pool: Pool, both: tuple[Backfill, Backfill]) -> None:
    ways = {"statuses": ("failed", "cancelled"), "error_class": "http_404"}

    assert ["b"] == await LedgerPages(pool).list_ended_ids(both[1].number, **ways)  # type: ignore[arg-type] # both are right
    assert ["b"] == await LedgerPages(pool).list_ended_ids(both[1].number, among=["b", "c"], **ways)  # type: ignore[arg-type]


async def test_the_digest_is_the_same(pool: Pool, both: tuple[Backfill, Backfill]) -> None:
    store = DigestStore(pool)
    for undigested in await store.list_undigested():
        async for _ in store.digest(undigested):
            pass
    digests = [await pool.fetchval("SELECT ledger_digest FROM backfills WHERE number = $1", one.number) for one in both]

    assert digests[0] == digests[1]
    assert digests[0] is not None
