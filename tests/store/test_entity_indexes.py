"""An index of an attribute serves the filters that ask for it, and refuses nothing that can be uploaded."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.domain.filters.filter_strategies import tree_of
from tests.store.test_query_plans import nodes
from tests.support.clock import NOON

from backfilld.domain.filters import parse_path
from backfilld.store.connection.address import address_of
from backfilld.store.connection.pool import Pool, open_pool
from backfilld.store.connection.queries import load
from backfilld.store.entities.entities import SQL, EntityStore, with_condition
from backfilld.store.entities.filters import entities_that, to_sql
from backfilld.store.entities.indexes import EntityIndexStore
from backfilld.store.entities.keys import index_name

ENTITIES = 20_000
PATHS = [parse_path(field) for field in ("status", "number", "flag", "gone", "at", "deep.one")]
SELECTIONS = load("backfills.selections")


@pytest.fixture(scope="module", params=[pytest.param("analyzed", marks=pytest.mark.slow), "unknown", "wrong"])
async def entities(request: pytest.FixtureRequest, databases: Any) -> AsyncIterator[Pool]:
    """Of each value one in a thousand, and what the statistics know of it: the truth, nothing, or what is long over."""
    async with databases.database() as dsn:
        pool = await open_pool(dsn, size=2)
        await pool.execute("ALTER TABLE entities SET (autovacuum_enabled = off)")
        store = EntityIndexStore(pool, address_of(dsn))
        if request.param == "wrong":
            await _fill(pool, 1_000, every=1)
        async with store.alone() as maker:
            assert maker is not None
            for path in PATHS:
                await maker.make("ticket", path)
        await pool.execute("DELETE FROM entities")
        await _fill(pool, ENTITIES, every=1_000)
        if request.param == "analyzed":
            await pool.execute("ANALYZE entities")
        yield pool
        await pool.close()


async def _fill(pool: Pool, many: int, *, every: int) -> None:
    """`every` so many the rare values; all the others are alike."""
    await pool.execute(
        """
        INSERT INTO entities (entity_type, id, attributes, loaded_at)
        SELECT 'ticket', 'e' || lpad(n::text, 7, '0'), CASE WHEN n % $2 = 0 THEN $3::jsonb ELSE $4::jsonb END, $5
          FROM generate_series(1, $1::integer) AS n
        """,
        many, every, json.dumps(RARE), json.dumps(USUAL), NOON,
    )  # fmt: skip


RARE = {"status": "open", "number": 42, "flag": True, "at": "2024-05-05T10:00:00Z", "deep": {"one": 0.5}}
USUAL = {"status": "closed", "number": 7, "flag": False, "at": "2020-01-01", "deep": {"one": 7}, "gone": "no"}
SERVED = {
    "a text": {"field": "status", "operator": "=", "value": "open"},
    "one of texts": {"field": "status", "operator": "in", "value": ["open", "never"]},
    "texts in order": {"field": "status", "operator": "between", "value": ["o", "p"]},
    "a number": {"field": "number", "operator": "=", "value": 42},
    "a fraction": {"field": "deep.one", "operator": "=", "value": 0.5},
    "yes": {"field": "flag", "operator": "=", "value": True},
    "missing": {"field": "gone", "operator": "null"},
    "empty": {"field": "gone", "operator": "isEmpty"},
    "a day": {"field": "at", "operator": "=", "value": "2024-05-05T10:00:00Z", "as": "date"},
    "since a day": {"field": "at", "operator": ">=", "value": "2024-01-01"},
}
UNSERVED = {
    "not a text": {"field": "status", "operator": "!=", "value": "closed"},
    "whatever its case": {"field": "status", "operator": "=", "value": "OPEN", "case_sensitive": False},
    "part of a text": {"field": "status", "operator": "contains", "value": "pe"},
    "numbers in order": {"field": "number", "operator": ">", "value": 40},
}


def asked(statement: str, rule: dict[str, Any], values: list[Any]) -> tuple[str, list[Any]]:
    """A statement that has room for a filter, with this one and all values."""
    tree = tree_of({"combinator": "and", "rules": [rule]})
    assert tree is not None
    condition = entities_that("ticket", tree, first_parameter=len(values) + 1, indexed=PATHS)
    sql, more = with_condition(statement, condition)
    return sql, [*values, *more]


ROOMS = {
    "count_entities": (SQL.count_entities, ["ticket"]),
    "page_by_id": (SQL.page_by_id, ["ticket", "", 1000, True]),
    "plan_selected": (SELECTIONS.plan_selected, [1, 0, NOON, False, "ticket", "", 1000, 1, None, None]),
}


async def seen(pool: Pool, sql: str, values: list[Any], mode: str) -> tuple[int, set[str]]:
    """How many rows of entities an execution looked at, and along which indexes; what it wrote is undone."""
    async with pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        try:
            await connection.execute(f"SET LOCAL plan_cache_mode = force_{mode}_plan")
            prepared = await connection.prepare(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
            plan = list(nodes(json.loads(await prepared.fetchval(*values))[0]["Plan"]))
        finally:
            await undone.rollback()
    scans = [node for node in plan if node.get("Relation Name") == "entities"]
    rows = sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans)
    return int(rows), {node.get("Index Name", "whole") for node in scans}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("name", SERVED)
async def test_a_filter_looks_at_what_it_may_take_and_no_more(entities: Pool, name: str, room: str) -> None:
    statement, values = ROOMS[room]
    for mode in ("custom", "generic"):
        looked_at, indexes = await seen(entities, *asked(statement, SERVED[name], values), mode)

        assert looked_at <= 2 * ENTITIES // 1_000, mode
        assert {index_name("ticket", parse_path(SERVED[name]["field"]))} == indexes, mode


@pytest.mark.parametrize("name", UNSERVED)
async def test_what_keys_tell_nothing_of_is_asked_as_without_an_index(entities: Pool, name: str) -> None:
    statement, values = ROOMS["count_entities"]
    sql, _ = asked(statement, UNSERVED[name], values)

    assert "left(" not in sql


async def test_parts_of_a_filter_narrow_it_where_all_must_hold_or_each_has_an_index() -> None:
    status, anything = SERVED["a text"], {"field": "other", "operator": "=", "value": 1}

    def is_narrowed(**spec: Any) -> bool:
        tree = tree_of(spec)
        assert tree is not None
        return to_sql(tree, indexed=PATHS).narrowed

    assert is_narrowed(combinator="and", rules=[status, anything])
    assert not is_narrowed(combinator="or", rules=[status, anything])
    assert is_narrowed(combinator="or", rules=[status, SERVED["a number"]])
    assert not is_narrowed(combinator="and", rules=[status], **{"not": True})


WIDE = ["x" * 300_000, "ü" * 9_000, ["y" * 5_000] * 20, {"z": "w" * 9_000}, 10**4_000, None, True]


@pytest.mark.parametrize("name", ["status", "deep.one", "it's", "back\\\\slash", '"quoted" %s %L $1'])
async def test_an_index_takes_every_value_and_every_name(pool: Pool, dsn: str, name: str) -> None:
    path = parse_path(name)
    store = EntityIndexStore(pool, address_of(dsn))
    async with store.alone() as maker:
        assert maker is not None
        await maker.make("ticket", path)
        await maker.make("it's", path)
    for place, value in enumerate(WIDE):
        attributes: Any = value
        for part in reversed(path):
            attributes = {part: attributes}
        await pool.execute(
            "INSERT INTO entities (entity_type, id, attributes, loaded_at) VALUES ('ticket', $1, $2::text::jsonb, $3)",
            f"e{place}", json.dumps(attributes), NOON,
        )  # fmt: skip
    condition = entities_that(
        "ticket", tree_of({"combinator": "and", "rules": [{"field": name, "operator": "=", "value": True}]}),
        first_parameter=EntityStore.FIRST_IN_COUNT, indexed=[path],
    )  # fmt: skip

    assert {index_name("ticket", path), index_name("it's", path)} == set(await store.list_found())
    assert 1 == await EntityStore(pool).count("ticket", condition)


async def test_one_at_a_time_makes_them(pool: Pool, dsn: str) -> None:
    store = EntityIndexStore(pool, address_of(dsn))
    async with store.alone() as first, store.alone() as second:
        pass
    async with store.alone() as third:
        pass

    assert [True, False, True] == [maker is not None for maker in (first, second, third)]
