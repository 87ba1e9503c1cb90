"""The digest of an ended ledger: what it says, and that it is the same however often it is broken off."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON
from tests.support.ledgers import make_ledger

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, Status
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.digests import DigestStore

NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
BY_HAND = (
    "0\ta\tsucceeded\t1\t2027-03-01T12:00:00.250000Z\t\n"
    "1\tb\tfailed\t1\t2027-03-01T12:00:00.250000Z\thttp_404\n"
    "2\tÜ c\tskipped\t0\t2027-03-01T12:00:00.250000Z\t\n"
    "3\td\tcancelled\t0\t2027-03-01T12:00:00Z\t\n"
    "4\te\tretrying\t1\t\ttimeout\n"
    "5\tf\tpending\t0\t\t\n"
)
EVERYTHING = {
    "a": "succeeded", "b": "failed:http_404", "Ü c": "skipped", "d": "cancelled", "e": "retrying", "f": "pending",
}  # fmt: skip


async def an_ended(pool: Pool, entries: Mapping[str, str], status: Status = Status.FAILED) -> Backfill:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, entries)
    await put_into(pool, backfill, status)
    return backfill


async def a_long_one(pool: Pool, items: int) -> Backfill:
    """`items` successes, an hour after each other."""
    backfill = await make_backfill(pool)
    for statement in (
        "INSERT INTO plan_items (backfill_number, position, entity_id)"
        " SELECT $1, n, 'x' || n FROM generate_series(0, $2 - 1) n",
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts)"
        " SELECT $1, n, 'succeeded', '2027-03-01T12:00Z', timestamptz '2027-03-01T12:00Z' + n * interval '1 hour', 1"
        "   FROM generate_series(0, $2 - 1) n",
        "UPDATE backfill_progress SET planned = $2 WHERE backfill_number = $1",
    ):
        await pool.execute(statement, backfill.number, items)
    await put_into(pool, backfill, Status.COMPLETED)
    return backfill


def page(since: int, until: int) -> bytes:
    hours = [(n, NOON + timedelta(hours=n)) for n in range(since, until)]
    return "".join(f"{n}\tx{n}\tsucceeded\t1\t{at:%Y-%m-%dT%H:%M:%SZ}\t\n" for n, at in hours).encode()


async def digest(pool: Pool) -> list[int]:
    store = DigestStore(pool)
    return [positions for ended in await store.list_undigested() async for positions in store.digest(ended)]


async def of(pool: Pool, backfill: Backfill) -> str | None:
    found: str | None = await pool.fetchval("SELECT ledger_digest FROM backfills WHERE number = $1", backfill.number)
    return found


async def test_it_is_the_hash_of_a_line_for_each_item(pool: Pool) -> None:
    backfill = await an_ended(pool, EVERYTHING)
    await pool.execute("UPDATE outcomes SET finished_at = $1 WHERE status = 'cancelled'", NOON)
    await digest(pool)

    assert sha256(BY_HAND.encode()).hexdigest() == await of(pool, backfill)


@pytest.mark.parametrize(
    "items", [5_000, 5_001, *(pytest.param(many, marks=pytest.mark.slow) for many in (4_999, 10_000, 12_001))]
)
async def test_each_page_of_five_thousand_is_hashed_behind_the_digest_of_the_one_before(pool: Pool, items: int) -> None:
    backfill = await a_long_one(pool, items)
    pages = await digest(pool)
    expected = b""
    for since in range(0, items, 5_000):
        expected = sha256(expected + page(since, min(since + 5_000, items))).digest()

    assert expected.hex() == await of(pool, backfill)
    assert (5_000, items) == (max(5_000, *pages), sum(pages))


async def test_broken_off_after_any_page_it_goes_on_to_the_same_digest(pool: Pool) -> None:
    whole, cut = await a_long_one(pool, 11_000), await a_long_one(pool, 11_000)
    store = DigestStore(pool)
    looks = 0
    while left := [one for one in await store.list_undigested() if one.number == cut.number]:
        pages = store.digest(left[0])
        await anext(pages)
        await pages.aclose()
        looks += 1
    await digest(pool)

    assert 3 == looks
    assert await of(pool, whole) == await of(pool, cut)


async def test_two_daemons_that_read_the_same_ledger_come_to_one_digest(pool: Pool) -> None:
    backfill = await a_long_one(pool, 5_001)
    store = DigestStore(pool)
    (ended,) = await store.list_undigested()
    first, second = store.digest(ended), store.digest(ended)
    read = [await anext(first), [pages async for pages in second], [pages async for pages in first]]

    assert [5_000, [], [1]] == read
    assert sha256(sha256(page(0, 5_000)).digest() + page(5_000, 5_001)).hexdigest() == await of(pool, backfill)


async def test_an_empty_ledger_has_the_hash_of_nothing(pool: Pool) -> None:
    backfill = await an_ended(pool, {}, Status.COMPLETED)
    await digest(pool)

    assert NOTHING == await of(pool, backfill)


async def test_only_what_has_ended_has_one(pool: Pool) -> None:
    backfills = {status: await an_ended(pool, {"a": "succeeded"}, status) for status in Status}
    await digest(pool)

    assert ENDED == {status for status, backfill in backfills.items() if await of(pool, backfill) is not None}


async def test_nobody_reads_a_ledger_that_its_owner_may_be_writing_still(pool: Pool) -> None:
    backfill = await an_ended(pool, {"a": "succeeded"})
    leases = LeaseStore(pool, instance="i", process="p")
    await put_into(pool, backfill, Status.RUNNING)
    assert await leases.acquire(backfill.number)
    await put_into(pool, backfill, Status.COMPLETED)
    await digest(pool)
    held = await of(pool, backfill)
    await pool.execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 second'")
    await digest(pool)

    assert held is None
    assert await of(pool, backfill) is not None
