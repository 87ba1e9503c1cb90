"""What the built-in source lists and counts."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from tests.support.clock import NOON

from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import MatchAll, Tree, read_filter, resolve
from backfilld.sources.base import EntityQuery, EntitySource, Order, SourceUnreachable
from backfilld.sources.builtin import BuiltinSource
from backfilld.sources.registry import SourceRegistry
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityRow, EntityUploads, UploadTerms


def tree_of(spec: Any) -> Tree:
    read = read_filter(spec, "")
    assert read.tree is not None, read.faults
    return resolve(read.tree, now=NOON, zone=ZoneInfo("UTC"), known_fields={}).tree


LARGE = tree_of({"combinator": "and", "rules": [{"field": "n", "operator": ">=", "value": 10}]})
# not exact in SQL: PostgreSQL folds İ and ß otherwise than Python does
FOLDED = tree_of(
    {"combinator": "and", "rules": [{"field": "name", "operator": "=", "value": "STRASSE", "case_sensitive": False}]}
)
NAMES = ["strasse", "Straße", "STRASSE", "strase", "İ", None]


@pytest.fixture
async def source(pool: Any) -> BuiltinSource:
    """Tickets 0 … 29; every third has no time, the others are older the higher their number."""

    async def rows() -> AsyncIterator[Sequence[EntityRow]]:
        for n in range(30):
            time = NOON - timedelta(hours=n // 2) if n % 3 else None
            yield [(n, f"{n:02d}", orjson.dumps({"n": n, "name": NAMES[n % 6]}).decode(), time)]

    await EntityUploads(pool).store(rows(), UploadTerms("ticket", NOON))
    return BuiltinSource(EntityStore(pool))


async def listed(source: EntitySource, query: EntityQuery, page_size: int, cursor: str | None = None) -> list[Entity]:
    return [
        entity async for page in source.pages(query, cursor=cursor, page_size=page_size) for entity in page.entities
    ]


@pytest.mark.parametrize("order", ["source", "newest_first", "oldest_first"])
async def test_every_entity_is_listed_once_in_order(source: BuiltinSource, order: Order) -> None:
    timed = [n for n in range(30) if n % 3]
    timeless = [n for n in range(30) if not n % 3]
    ages = {n: n // 2 for n in range(30)}
    expected = {
        "source": list(range(30)),
        "newest_first": sorted(timed, key=lambda n: (ages[n], -n)) + timeless,
        "oldest_first": sorted(timed, key=lambda n: (-ages[n], n)) + timeless,
    }[order]
    for page_size in (1, 7, 30, 100):
        found = await listed(source, EntityQuery("ticket", order=order), page_size)

        assert expected == [int(entity.id) for entity in found], page_size


@pytest.mark.parametrize("order", ["source", "newest_first", "oldest_first"])
async def test_a_listing_goes_on_from_any_cursor(source: BuiltinSource, order: Order) -> None:
    query = EntityQuery("ticket", order=order)
    whole = await listed(source, query, 7)
    seen = 0
    async for page in source.pages(query, cursor=None, page_size=7):
        seen += len(page.entities)

        assert whole[seen:] == await listed(source, query, 7, page.cursor)


async def test_no_page_is_empty(source: BuiltinSource) -> None:
    sizes = [len(page.entities) async for page in source.pages(EntityQuery("ticket"), cursor=None, page_size=15)]

    assert [15, 15] == sizes
    assert [] == await listed(source, EntityQuery("company"), 15)


async def test_entities_added_behind_the_cursor_do_not_shift_the_rest(source: BuiltinSource, pool: Any) -> None:
    async def earlier() -> AsyncIterator[Sequence[EntityRow]]:
        yield [(0, "000", "{}", None)]

    found = []
    async for page in source.pages(EntityQuery("ticket"), cursor=None, page_size=10):
        found += [entity.id for entity in page.entities]
        await EntityUploads(pool).store(earlier(), UploadTerms("ticket", NOON))

    assert [f"{n:02d}" for n in range(30)] == found


@pytest.mark.parametrize("order", ["source", "newest_first", "oldest_first"])
async def test_the_filter_is_applied_where_the_entities_are(source: BuiltinSource, order: Order) -> None:
    query = EntityQuery("ticket", LARGE, order, with_attributes=False)
    pages = [page async for page in source.pages(query, cursor=None, page_size=8)]

    assert set(range(10, 30)) == {int(entity.id) for page in pages for entity in page.entities}
    assert all(page.exact for page in pages)
    assert all(entity.attributes == {} for page in pages for entity in page.entities)


async def test_what_must_be_tested_again_comes_with_its_attributes(source: BuiltinSource) -> None:
    query = EntityQuery("ticket", FOLDED, with_attributes=False)
    pages = [page async for page in source.pages(query, cursor=None, page_size=50)]

    assert not any(page.exact for page in pages)
    assert all(entity.attributes for page in pages for entity in page.entities)


@pytest.mark.parametrize(
    ("tree", "count"), [(None, 30), (MatchAll(), 30), (LARGE, 20), (FOLDED, 15)], ids=["none", "all", "exact", "tested"]
)
async def test_a_count_is_exact(source: BuiltinSource, tree: Tree | None, count: int) -> None:
    assert count == await source.count(EntityQuery("ticket", tree), within_seconds=10)


@pytest.mark.parametrize("tree", [None, LARGE, FOLDED], ids=["none", "exact", "tested"])
async def test_a_count_that_takes_too_long_is_not_told(source: BuiltinSource, pool: Any, tree: Tree | None) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE entities, entity_types IN ACCESS EXCLUSIVE MODE")

        assert await source.count(EntityQuery("ticket", tree), within_seconds=0.05) is None


async def test_present_entities_are_read_with_the_time_of_their_import(source: BuiltinSource) -> None:
    found = await source.read("ticket", ["03", "nobody"])

    assert {"03": Entity("03", {"n": 3, "name": "strase"}, None, NOON)} == found


async def test_a_database_that_is_away_is_a_source_that_cannot_be_reached(source: BuiltinSource, pool: Any) -> None:
    await pool.close()

    with pytest.raises(SourceUnreachable):
        await source.count(EntityQuery("ticket"), within_seconds=1)
    with pytest.raises(SourceUnreachable):
        await source.read("ticket", ["1"])
    with pytest.raises(SourceUnreachable):
        await listed(source, EntityQuery("ticket"), 10)


async def test_the_configuration_wins_over_what_imports_told(source: BuiltinSource) -> None:
    async def learned(entity_type: str) -> dict[str, Any]:
        return {"n": "integer", "open": "boolean"}

    sources = SourceRegistry({"builtin": source}, configured={"ticket": {"n": "string"}}, learned=learned)

    assert {"n": "string", "open": "boolean"} == await sources.known_fields("ticket")
    assert {"n": "integer", "open": "boolean"} == await sources.known_fields("company")
    assert source is sources.find("company")
    assert sources.find("none") is None
