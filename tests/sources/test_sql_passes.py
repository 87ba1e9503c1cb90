"""Where no index gives the order, what is left after the first page comes in one pass, and not sorted for each page."""

from typing import Any

import pytest
from tests.sources.sql_asking import Foreign, Making, ids, rule, tree_of

from backfilld.sources import sql_listing
from backfilld.sources.base import EntityQuery, SourceUnreachable
from backfilld.sources.sql import SqlSource

ROWS = 3_000


@pytest.fixture
async def heap(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> Foreign:
    """A table without any index."""
    monkeypatch.setattr(sql_listing, "CHEAP", 0.0)
    await foreign.execute("CREATE TABLE t (id int, kind text, changed_at timestamptz)")
    every = "generate_series(1, $1::integer) AS n ORDER BY random()"
    await foreign.execute(f"INSERT INTO t SELECT n, 'k' || n % 2, now() FROM {every}", ROWS)  # noqa: S608 # ours
    return foreign


async def scans(heap: Foreign) -> int:
    await heap.execute("SELECT pg_stat_clear_snapshot()")
    count: int = await heap.fetchval("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 't'")
    return count


async def settled(source: SqlSource, heap: Foreign) -> int:
    """Servers tell of scans when their connection ends."""
    await source.close()
    while await heap.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfilld'"):
        pass
    return await scans(heap)


EVERY = [str(n) for n in range(1, ROWS + 1)]


@pytest.mark.parametrize("filtered", [False, True])
async def test_the_table_is_read_a_few_times_and_not_for_each_page(
    heap: Foreign, source_of: Making, filtered: bool
) -> None:
    source = source_of("SELECT * FROM t")
    tree = tree_of(rule("kind", "=", "k1")) if filtered else None
    before = await scans(heap)
    found = await ids(source, tree, page_size=100)

    assert EVERY[:: 2 if filtered else 1] == found
    assert await settled(source, heap) - before <= 4  # keys that are null, the first page, the pass; of 30


@pytest.mark.parametrize("order", ["source", "newest_first", "oldest_first"])
async def test_every_row_comes_once_in_any_order(heap: Foreign, source_of: Making, order: Any) -> None:
    source = source_of("SELECT * FROM t", updated_at="changed_at")
    found = await ids(source, order=order, page_size=700)

    assert EVERY == sorted(found, key=int)


async def test_a_pass_goes_on_behind_any_of_its_pages(heap: Foreign, source_of: Making) -> None:
    pages = source_of("SELECT * FROM t").pages(EntityQuery("ticket"), cursor=None, page_size=700)
    cursors = [page.cursor async for page in pages]

    for number, cursor in enumerate(cursors, 1):
        assert EVERY[700 * number :] == await ids(source_of("SELECT * FROM t"), cursor=cursor, page_size=700)


async def test_a_connection_that_breaks_in_a_pass_is_waited_for(heap: Foreign, source_of: Making) -> None:
    source = source_of("SELECT * FROM t")
    pages = source.pages(EntityQuery("ticket"), cursor=None, page_size=700)
    first, second = [await anext(pages) for _ in range(2)]
    await heap.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backfilld'")
    with pytest.raises(SourceUnreachable):
        await anext(pages)
    found = [entity.id for page in (first, second) for entity in page.entities]

    assert EVERY == found + await ids(source, cursor=second.cursor, page_size=700)


async def test_a_pass_does_not_stay_open_for_longer_than_is_bearable(
    heap: Foreign, source_of: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_listing, "LONGEST_PASS_SECONDS", -1.0)  # each page is too long
    source = source_of("SELECT * FROM t")

    assert EVERY == await ids(source, page_size=700)


async def test_whoever_stops_early_leaves_no_transaction_open(heap: Foreign, source_of: Making) -> None:
    source = source_of("SELECT * FROM t")
    pages = source.pages(EntityQuery("ticket"), cursor=None, page_size=700)
    for _ in range(2):
        await anext(pages)
    await pages.aclose()

    assert 0 == await heap.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfilld' AND state LIKE 'idle in%'"
    )
    assert EVERY == await ids(source, page_size=700)  # it is somebody else's turn


@pytest.mark.parametrize(
    ("change", "remarked"),
    [("", True), ("CREATE UNIQUE INDEX ON t (id)", False), ("CREATE INDEX ON t (kind, id)", True)],
)
async def test_it_is_remarked_that_no_index_gives_the_order(
    heap: Foreign, source_of: Making, change: str, remarked: bool
) -> None:
    await heap.execute(change or "SELECT 1")
    await heap.execute("ANALYZE t")
    remarks = await source_of("SELECT * FROM t", page_size=500).remarks()

    assert remarked == any("no index on the key 'id'" in remark for remark in remarks)


async def test_a_small_table_is_not_remarked_upon(foreign: Foreign, source_of: Making) -> None:
    await foreign.execute("CREATE TABLE t AS SELECT n AS id FROM generate_series(1, 50) AS n")

    assert [] == await source_of("SELECT * FROM t").remarks()
