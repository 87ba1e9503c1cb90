"""The built-in entity store: what an upload changes, and what it leaves alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.clock import NOON
from tests.support.waiting import eventually

from backfilld.domain.access.callers import Actor
from backfilld.domain.entities.records import Entity
from backfilld.domain.entities.upload_remarks import Replaced
from backfilld.domain.errors import Invalid
from backfilld.store.connection.pool import open_pool
from backfilld.store.connection.queries import load
from backfilld.store.entities.entities import SQL, EntityStore
from backfilld.store.entities.uploads import EntityRow, EntityUploads, UploadOutcome, UploadTerms, UpsertCounts

UNPARSED = load("entities.unparsed")
EARLIER, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
Row = tuple[str, str, datetime | None]


async def batches(*batches: Sequence[Row]) -> AsyncIterator[Sequence[EntityRow]]:
    place = 0
    for batch in batches:
        yield [(place + n, *row) for n, row in enumerate(batch, start=1)]
        place += len(batch)


async def put(pool: Any, *rows: Row, at: datetime = NOON, **terms: Any) -> UpsertCounts:
    return (await upload(pool, *rows, at=at, **terms)).counts


async def upload(pool: Any, *rows: Row, at: datetime = NOON, **terms: Any) -> UploadOutcome:
    return await EntityUploads(pool).store(batches(rows) if rows else batches(), UploadTerms("ticket", at, **terms))


@pytest.fixture
def store(pool: Any) -> EntityStore:
    return EntityStore(pool)


async def test_an_upload_tells_new_changed_and_equal_entities_apart(pool: Any, store: EntityStore) -> None:
    await put(pool, ("1", '{"n": 1}', EARLIER), ("2", '{"n": 2}', EARLIER))
    counts = await put(pool, ("1", '{"n":1}', EARLIER), ("2", '{"n": 3}', EARLIER), ("3", "{}", None))

    assert UpsertCounts(inserted=1, updated=1, unchanged=1) == counts
    assert Entity("2", {"n": 3}, EARLIER, NOON) == await store.find("ticket", "2")


async def test_an_equal_entity_is_not_written_again(pool: Any) -> None:
    await put(pool, ("1", '{"n": 1}', EARLIER))
    before = await pool.fetchrow("SELECT ctid, xmin, xmax, loaded_at FROM entities")
    await put(pool, ("1", '{"n": 1}', EARLIER), at=NOON + timedelta(hours=1))

    assert before == await pool.fetchrow("SELECT ctid, xmin, xmax, loaded_at FROM entities")


async def test_the_last_of_equal_ids_wins_in_and_across_batches(pool: Any, store: EntityStore) -> None:
    lines = batches(
        [("1", '{"n": 1}', LATER), ("1", '{"n": 2}', LATER)], [("2", "{}", None)], [("1", '{"n": 3}', None)]
    )
    outcome = await EntityUploads(pool).store(lines, UploadTerms("ticket", NOON))

    assert UploadOutcome(UpsertCounts(inserted=2), 2, (Replaced("1", 1, 4), Replaced("1", 2, 4))) == outcome
    assert Entity("1", {"n": 3}, None, NOON) == await store.find("ticket", "1")


async def test_an_older_record_changes_nothing(pool: Any, store: EntityStore) -> None:
    await put(pool, ("1", '{"n": 1}', LATER))
    outcome = await upload(pool, ("1", '{"n": 2}', EARLIER))

    assert UploadOutcome(UpsertCounts(unchanged=1), older=1) == outcome
    assert {"n": 1} == (await store.read("ticket", ["1"]))["1"].attributes


@pytest.mark.parametrize(("stored", "sent"), [(None, EARLIER), (EARLIER, None), (EARLIER, EARLIER), (EARLIER, LATER)])
async def test_every_other_record_counts_as_news(
    pool: Any, store: EntityStore, stored: datetime | None, sent: datetime | None
) -> None:
    await put(pool, ("1", '{"n": 1}', stored))
    counts = await put(pool, ("1", '{"n": 2}', sent))

    assert UpsertCounts(updated=1) == counts
    assert Entity("1", {"n": 2}, sent, NOON) == await store.find("ticket", "1")


async def test_an_upload_removes_nothing_unless_it_replaces(pool: Any, store: EntityStore) -> None:
    await put(pool, ("1", "{}", None), ("2", '{"n": 2}', LATER))
    await put(pool, ("3", "{}", None))
    counts = await put(pool, ("2", '{"n": 1}', EARLIER), ("4", "{}", None), replace=True)

    assert UpsertCounts(inserted=1, updated=1, removed=2) == counts
    assert ["2", "4"] == [entity.id for entity in await store.page_by_id("ticket", after="", limit=9)]
    assert 2 == await store.count("ticket")
    assert "entities.replace" == await pool.fetchval("SELECT action FROM audit_log")


async def test_replacing_by_nothing_is_refused(pool: Any, store: EntityStore) -> None:
    await put(pool, ("1", "{}", None))
    with pytest.raises(Invalid) as refusal:
        await put(pool, replace=True)

    assert "nothing_to_replace_with" == refusal.value.code
    assert 1 == await store.count("ticket")


async def test_an_upload_that_breaks_off_stores_nothing(pool: Any, store: EntityStore) -> None:
    async def broken() -> AsyncIterator[Sequence[EntityRow]]:
        yield [(1, "1", "{}", None)]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await EntityUploads(pool).store(broken(), UploadTerms("ticket", NOON, fields={"n": "integer"}))

    assert await store.find("ticket", "1") is None
    assert {} == await store.list_types()
    assert 0 == await pool.fetchval("SELECT count(*) FROM pg_class WHERE relname = 'entity_upload'")


async def test_known_fields_are_added_and_forgotten(pool: Any, store: EntityStore) -> None:
    await put(pool, ("1", "{}", None), fields={"n": "integer", "due": "date"})
    await put(pool, fields={"n": "number", "due": None, "open": "boolean"}, at=NOON + timedelta(hours=1))
    found = await store.get_type("ticket")

    assert {"n": "number", "open": "boolean"} == found.fields
    assert (1, NOON + timedelta(hours=1)) == (found.entities, found.loaded_at)


async def test_the_count_stays_true_through_uploads_and_deletes(pool: Any, store: EntityStore) -> None:
    await put(pool, ("1", "{}", None), ("2", "{}", None))
    first = await store.delete("ticket", "1", at=NOON, actor=Actor.local("key:1"))
    again = await store.delete("ticket", "1", at=NOON, actor=Actor.local("key:1"))

    assert (True, False) == (first, again)
    assert 1 == await store.count("ticket")
    assert "entity:ticket/1" == await pool.fetchval("SELECT subject FROM audit_log")


async def test_uploads_of_the_same_ids_at_once_all_get_through(pool: Any, store: EntityStore) -> None:
    ids = [str(number) for number in range(300)]
    uploads = EntityUploads(pool, at_once=5)
    orders = [ids, ids[::-1], ids[150:] + ids[:150], ids[::2], ids[::-1]]

    async def one(number: int, order: list[str]) -> UpsertCounts:
        rows = [(id, f'{{"by": {number}}}', None) for id in order]
        return (await uploads.store(batches(rows[:100], rows[100:]), UploadTerms("ticket", NOON))).counts

    counts = await asyncio.gather(*(one(number, order) for number, order in enumerate(orders)))

    assert 300 == sum(count.inserted for count in counts)
    assert 300 == await store.count("ticket") == await pool.fetchval("SELECT count(*) FROM entities")


async def test_an_upload_that_waits_for_its_client_holds_up_nobody(pool: Any, store: EntityStore) -> None:
    more, waits = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[Sequence[EntityRow]]:
        yield [(1, "1", '{"by": "slow"}', None)]
        waits.set()
        await more.wait()

    task = asyncio.create_task(EntityUploads(pool).store(slow(), UploadTerms("ticket", NOON)))
    await waits.wait()
    quick = await put(pool, ("1", '{"by": "quick"}', None))
    more.set()

    assert UpsertCounts(inserted=1) == quick
    assert UpsertCounts(updated=1) == (await task).counts
    assert {"by": "slow"} == (await store.read("ticket", ["1", "2"]))["1"].attributes


async def test_an_upload_may_take_longer_than_its_pool_waits_for_a_silent_server(dsn: Any) -> None:
    async def slow() -> AsyncIterator[Sequence[EntityRow]]:
        yield [(1, "1", "{}", None)]
        await asyncio.sleep(0.5)
        yield [(2, "2", "{}", None)]

    pool = await open_pool(dsn, size=1, command_timeout=0.25)
    counts = (await EntityUploads(pool).store(slow(), UploadTerms("ticket", NOON))).counts
    with pytest.raises(TimeoutError):  # it is as impatient as before with what comes after
        await pool.execute("SELECT pg_sleep(1)")
    await pool.close()

    assert UpsertCounts(inserted=2) == counts


async def test_uploads_that_wait_for_their_turn_hold_nothing(pool: Any) -> None:
    more = asyncio.Event()
    asked: list[int] = []

    async def rows(number: int) -> AsyncIterator[Sequence[EntityRow]]:
        asked.append(number)
        await more.wait()
        yield [(1, str(number), "{}", None)]

    uploads = EntityUploads(pool, at_once=2)
    tasks = [asyncio.create_task(uploads.store(rows(number), UploadTerms("ticket", NOON))) for number in range(12)]
    await eventually(lambda: len(asked) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    waiting = list(asked)
    more.set()
    done = await asyncio.gather(*tasks)

    assert [0, 1] == waiting
    assert 12 == sum(outcome.counts.inserted for outcome in done)


@pytest.mark.parametrize(
    ("statement", "arguments", "index"),
    [
        ("page_by_id", ("ticket", "5", 10, True), "entities_pkey"),
        ("page_oldest_first", ("ticket", "5", EARLIER, 10, True), "entities_by_time"),
        ("page_newest_first", ("ticket", "5", LATER, 10, True), "entities_by_time"),
        ("page_without_time", ("ticket", "5", 10, True), "entities_"),
        ("read_entities", ("ticket", ["1", "2"]), "entities_pkey"),
        ("read_by_key", ("ticket", '["1", "2"]'), "entities_pkey"),
        ("read_range", ("ticket", "1", "2", 100), "entities_pkey"),
    ],
)
async def test_a_page_is_found_by_an_index_and_never_sorted(
    pool: Any, statement: str, arguments: tuple[Any, ...], index: str
) -> None:
    sql = getattr(SQL if statement in SQL.names() else UNPARSED, statement)
    times = [None, EARLIER, LATER]
    await put(pool, *[(str(n), "{}", times[n % 3] and times[n % 3] + timedelta(seconds=n)) for n in range(9_000)])
    async with pool.acquire() as connection:
        await connection.execute("ANALYZE entities")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN " + sql, *arguments))

    assert index in plan
    assert "Sort" not in plan


async def test_the_longest_id_fits_into_the_indexes(pool: Any, store: EntityStore) -> None:
    longest = "\U0010fffd" * 512
    await put(pool, (longest, "{}", LATER))

    assert [longest] == [entity.id for entity in await store.page_by_id("ticket", after="\U0010fffc", limit=2)]
