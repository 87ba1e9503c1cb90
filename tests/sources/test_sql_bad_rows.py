"""A row that cannot be read is named by key and column, or is left out and counted; the others go on."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.sources.sql_asking import Foreign, Making, rule, tree_of

from backfilld.sources import sql_listing
from backfilld.sources.base import EntityQuery, Page, SourceBroken
from backfilld.sources.sql import SqlSource

NUL = r'{"a": "\u0000"}'
ROWS = 60
ORDERS = ("source", "newest_first", "oldest_first")


@pytest.fixture
async def table(foreign: Foreign) -> Foreign:
    await foreign.execute("CREATE TABLE t (id text PRIMARY KEY, j json, n int, changed_at timestamptz)")
    await foreign.execute(
        "INSERT INTO t SELECT 'k' || lpad(n::text, 3, '0'), '{}', n, now() - n * interval '1 hour'"
        "  FROM generate_series(1, $1::integer) AS n",
        ROWS,
    )
    return foreign


async def spoil(table: Foreign, *keys: str) -> None:
    await table.execute("UPDATE t SET j = $1::text::json WHERE id = ANY ($2::text[])", NUL, list(keys))


async def pages_of(source: SqlSource, tree: Any = None, *, page_size: int = 7, **more: Any) -> list[Page]:
    query = EntityQuery("ticket", tree, **more)
    return [page async for page in source.pages(query, cursor=None, page_size=page_size)]


def ids_of(pages: list[Page]) -> list[str]:
    return [entity.id for page in pages for entity in page.entities]


def left_out_of(pages: list[Page]) -> list[str | None]:
    return [one.id for page in pages for one in page.left_out]


ALL = [f"k{n:03}" for n in range(1, ROWS + 1)]


J_IS_NULL = tree_of(rule("j", "null"))


@pytest.mark.parametrize(
    "way",
    [
        pages_of,
        lambda source: pages_of(source, J_IS_NULL, with_attributes=False),
        lambda source: pages_of(source, order="newest_first"),
        lambda source: source.count(EntityQuery("ticket", J_IS_NULL), within_seconds=30),
        lambda source: source.read("ticket", ALL),
    ],
    ids=["list", "filter", "newest first", "count", "read"],
)
async def test_the_row_and_its_column_are_named(
    table: Foreign, source_of: Making, way: Callable[[SqlSource], Awaitable[Any]]
) -> None:
    await spoil(table, "k042")
    source = source_of("SELECT * FROM t", updated_at="changed_at")
    with pytest.raises(SourceBroken) as caught:
        await way(source)

    assert "column 'j' of the row 'k042' cannot be read: unsupported Unicode escape sequence" in str(caught.value)
    assert "\n" not in str(caught.value)


SIZES = [("source", 100), *((order, 7) for order in ORDERS)]
EVERY = [(order, size) for order in ORDERS for size in (1, 7, 100)]
MORE = [pytest.param(*one, marks=pytest.mark.slow) for one in EVERY if one not in SIZES]


@pytest.mark.parametrize(("order", "page_size"), [*SIZES, *MORE])
async def test_what_cannot_be_read_is_left_out_and_told_and_the_others_come(
    table: Foreign, source_of: Making, order: Any, page_size: int, caplog: pytest.LogCaptureFixture
) -> None:
    bad = ["k001", "k007", "k008", "k030", "k060"]
    await spoil(table, *bad)
    source = source_of("SELECT * FROM t", updated_at="changed_at", on_bad_row="skip")
    with caplog.at_level(logging.WARNING):
        pages = await pages_of(source, page_size=page_size, order=order)

    assert sorted(set(ALL) - set(bad)) == sorted(ids_of(pages))
    assert sorted(bad) == sorted(left_out_of(pages))
    assert ids_of(pages) == sorted(ids_of(pages), reverse=order == "oldest_first")
    assert any(f"column 'j' of the row '{one}' cannot be read" in caplog.text for one in bad)


async def test_a_listing_that_skips_goes_on_from_any_page(table: Foreign, source_of: Making) -> None:
    await spoil(table, "k007", "k008", "k014")
    source = source_of("SELECT * FROM t", on_bad_row="skip")
    whole = await pages_of(source)
    for page in whole:
        behind = [page async for page in source.pages(EntityQuery("ticket"), cursor=page.cursor, page_size=7)]
        seen = whole[: whole.index(page) + 1]

        assert ids_of(whole) == ids_of(seen) + ids_of(behind)
        assert left_out_of(whole) == left_out_of(seen) + left_out_of(behind)


async def test_a_count_covers_what_a_listing_covers(table: Foreign, source_of: Making) -> None:
    await spoil(table, "k007", "k008")
    source = source_of("SELECT * FROM t", on_bad_row="skip")

    for query in (EntityQuery("ticket"), EntityQuery("ticket", J_IS_NULL)):
        pages = [page async for page in source.pages(query, cursor=None, page_size=9)]
        assert await source.count(query, within_seconds=30) == len(ids_of(pages)) + len(left_out_of(pages))


async def test_what_is_read_again_comes_without_the_row_that_became_unreadable(
    table: Foreign, source_of: Making
) -> None:
    await spoil(table, "k002")
    source = source_of("SELECT * FROM t", on_bad_row="skip")

    assert ["k001", "k003"] == sorted(await source.read("ticket", ["k001", "k002", "k003"]))


@pytest.mark.parametrize(("key", "id"), [("''", ""), ("E'a\\nb'", "a\\nb"), ("NULL", None)])
async def test_a_key_that_is_no_id_is_named_or_left_out(
    table: Foreign, source_of: Making, key: str, id: str | None
) -> None:
    query = f"SELECT id, n FROM t UNION ALL SELECT {key}, 0"  # noqa: S608 # ours
    with pytest.raises(SourceBroken) as caught:
        await pages_of(source_of(query))
    skipping = source_of(query, on_bad_row="skip")

    assert "the key 'id'" in str(caught.value)
    assert id is None or repr(id).replace("\\\\", "\\") in str(caught.value)
    assert sorted(ALL) == ids_of(await pages_of(skipping))


async def test_a_value_that_the_query_cannot_compute_is_named(foreign: Foreign, source_of: Making) -> None:
    query = "SELECT n AS id, 1 / (n - 2) AS share FROM generate_series(1, 3) AS n"
    with pytest.raises(SourceBroken) as caught:
        await pages_of(source_of(query))
    pages = await pages_of(source_of(query, on_bad_row="skip"))

    assert "column 'share' of the row '2' cannot be read: division by zero" == str(caught.value)
    assert (["1", "3"], ["2"]) == (ids_of(pages), left_out_of(pages))


async def test_a_query_that_fails_as_a_whole_is_told_as_it_was(foreign: Foreign, source_of: Making) -> None:
    query = "SELECT n AS id FROM generate_series(1, 3) AS n WHERE 1 / (n - 2) > 0"
    with pytest.raises(SourceBroken) as caught:
        await pages_of(source_of(query, on_bad_row="skip"))

    assert "division by zero" == str(caught.value)


async def test_bad_rows_in_a_pass_are_left_out_as_well(
    table: Foreign, source_of: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_listing, "CHEAP", 0.0)
    await table.execute("ALTER TABLE t DROP CONSTRAINT t_pkey")
    await spoil(table, "k003", "k029", "k030", "k060")
    pages = await pages_of(source_of("SELECT * FROM t", on_bad_row="skip"))

    assert sorted(set(ALL) - {"k003", "k029", "k030", "k060"}) == ids_of(pages)
    assert ["k003", "k029", "k030", "k060"] == left_out_of(pages)
