"""What an SQL source lists, reads and counts."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.sources.sql_asking import Foreign, Making, ids, listed, rule, tree_of
from tests.support.clock import NOON, FakeClock

from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import MatchAll
from backfilld.sources.base import EntityQuery, Order
from backfilld.sources.sql_shape import look_at
from backfilld.sources.sql_statements import Behind, Listed, Statement

TICKETS = """
    CREATE TABLE tickets (id bigint PRIMARY KEY, title text, status text, priority int, changed_at timestamptz);
    INSERT INTO tickets
    SELECT n, 'Ticket ' || n, (ARRAY['open', 'closed', NULL])[n % 3 + 1], n % 5,
           CASE WHEN n % 4 > 0 THEN '2027-01-01T00:00Z'::timestamptz + n % 7 * interval '1 hour' END
      FROM generate_series(1, 50) AS n;
"""
QUERY = "SELECT * FROM tickets"


@pytest.fixture
async def tickets(foreign: Foreign) -> Foreign:
    await foreign.execute(TICKETS)
    return foreign


@pytest.mark.parametrize("page_size", [1, 7, 50, 1000])
async def test_every_entity_is_listed_once_in_the_order_of_its_key(
    tickets: Foreign, source_of: Making, page_size: int
) -> None:
    assert [str(n) for n in range(1, 51)] == await ids(source_of(QUERY), page_size=page_size)


async def test_the_configured_page_size_bounds_the_asked_one(tickets: Foreign, source_of: Making) -> None:
    pages = source_of(QUERY, page_size=20).pages(EntityQuery("ticket"), cursor=None, page_size=1000)

    assert [20, 20, 10] == [len(page.entities) async for page in pages]


async def test_no_page_is_empty(tickets: Foreign, source_of: Making) -> None:
    pages = source_of(QUERY).pages(EntityQuery("ticket"), cursor=None, page_size=25)

    assert [25, 25] == [len(page.entities) async for page in pages]
    assert [] == await ids(source_of("SELECT * FROM tickets WHERE false"))


@pytest.mark.parametrize("order", ["source", "newest_first", "oldest_first"])
async def test_a_listing_goes_on_from_any_cursor(tickets: Foreign, source_of: Making, order: Order) -> None:
    source = source_of(QUERY, updated_at="changed_at")
    whole = await ids(source, order=order, page_size=1000)
    for page_size in (1, 7, 100):
        seen = 0
        async for page in source.pages(EntityQuery("ticket", order=order), cursor=None, page_size=page_size):
            seen += len(page.entities)
            if seen in (page_size, 35, 50):
                assert whole[seen:] == await ids(source, order=order, page_size=page_size, cursor=page.cursor)

        assert 50 == len(set(whole)) == seen, page_size


async def test_orders_by_time_put_the_timeless_last(tickets: Foreign, source_of: Making) -> None:
    source = source_of(QUERY, updated_at="changed_at")
    newest = [entity.updated_at for entity in await listed(source, order="newest_first")]
    oldest = [entity.updated_at for entity in await listed(source, order="oldest_first")]
    times = sorted(time for time in newest if time)

    assert times[::-1] + [None] * 12 == newest
    assert times + [None] * 12 == oldest


async def test_without_a_time_the_order_is_that_of_the_key(tickets: Foreign, source_of: Making) -> None:
    source = source_of(QUERY)

    assert await ids(source) == await ids(source, order="newest_first", page_size=7)


async def test_a_cursor_of_another_order_is_refused(tickets: Foreign, source_of: Making) -> None:
    source = source_of(QUERY, updated_at="changed_at")
    [page, *_] = [page async for page in source.pages(EntityQuery("ticket"), cursor=None, page_size=30)]

    with pytest.raises(ValueError):
        await ids(source, order="newest_first", cursor=page.cursor)


async def test_rows_that_come_behind_the_cursor_shift_nobody(tickets: Foreign, source_of: Making) -> None:
    found = []
    async for page in source_of(QUERY).pages(EntityQuery("ticket"), cursor=None, page_size=10):
        found += [entity.id for entity in page.entities]
        await tickets.execute("INSERT INTO tickets (id) SELECT min(id) - 1 FROM tickets")

    assert [str(n) for n in range(1, 51)] == found


@pytest.mark.parametrize(
    ("values", "type", "expected"),
    [
        ("('a'), ('B'), ('Ä'), ('ä'), ('z'), (' '), ('10'), ('9')", "text", None),
        ("('a'), ('B'), ('Z')", 'varchar(10) COLLATE "C"', ["B", "Z", "a"]),
        ("('ab'), ('a'), ('b')", "char(5)", None),
        ("(10), (9), (-3), (32767)", "smallint", ["-3", "9", "10", "32767"]),
        ("(1.50), (10), (9.25), (-0.001)", "numeric", ["-0.001", "1.5", "9.25", "10"]),
        (
            "('ffffffff-0000-4000-8000-000000000000'), ('00000000-0000-4000-8000-00000000000A')",
            "uuid",
            ["00000000-0000-4000-8000-00000000000a", "ffffffff-0000-4000-8000-000000000000"],
        ),
    ],
)
async def test_keys_of_many_types_are_listed_and_read(
    foreign: Foreign, source_of: Making, values: str, type: str, expected: list[str] | None
) -> None:
    await foreign.execute(f"CREATE TABLE t (id {type} PRIMARY KEY); INSERT INTO t VALUES {values}")  # noqa: S608 # ours
    source = source_of("SELECT * FROM t")
    found = await ids(source, page_size=1)

    assert found == (expected or found)
    assert len(values.split("), (")) == len(found) == len(set(found))
    assert set(found) == set(await source.read("ticket", found))


@pytest.mark.parametrize("type", ["smallint", "bigint", "numeric", "uuid", "text", "char(3)"])
async def test_ids_that_the_key_cannot_be_are_not_there(foreign: Foreign, source_of: Making, type: str) -> None:
    await foreign.execute(f"CREATE TABLE t (id {type} PRIMARY KEY)")
    odd = ["x", "", "1.5e400", "99999999999999999999", "01", "+1", " 1", "Infinity", "NaN", "--", "A" * 36, "١"]

    assert {} == await source_of("SELECT * FROM t").read("ticket", odd)


async def test_the_present_state_is_read_with_the_time_of_reading(
    tickets: Foreign, source_of: Making, clock: FakeClock
) -> None:
    source = source_of("SELECT id, title FROM tickets")
    before = await source.read("ticket", ["3", "999", "no"])
    await tickets.execute("UPDATE tickets SET title = 'New'; DELETE FROM tickets WHERE id = 4")
    await clock.advance(5)
    after = await source.read("ticket", ["3", "4"])

    assert {"3": Entity("3", {"id": 3, "title": "Ticket 3"}, None, NOON)} == before
    assert {"3": {"id": 3, "title": "New"}} == {id: one.attributes for id, one in after.items()}
    assert 5 == (after["3"].as_of - NOON).total_seconds()  # type: ignore[operator] # it has one


async def test_the_filter_is_applied_where_the_entities_are(tickets: Foreign, source_of: Making) -> None:
    tree = tree_of({"combinator": "and", "rules": [{"field": "status", "operator": "=", "value": "open"}]})
    query = EntityQuery("ticket", tree, with_attributes=False)
    pages = [page async for page in source_of(QUERY).pages(query, cursor=None, page_size=5)]

    assert [str(n) for n in range(3, 51, 3)] == [entity.id for page in pages for entity in page.entities]
    assert all(page.exact and entity.attributes == {} for page in pages for entity in page.entities)


async def test_what_must_be_tested_again_comes_with_its_attributes(tickets: Foreign, source_of: Making) -> None:
    tree = tree_of(rule("title", "=", "TICKET 3", case_sensitive=False))
    query = EntityQuery("ticket", tree, with_attributes=False)
    pages = [page async for page in source_of(QUERY).pages(query, cursor=None, page_size=50)]

    assert [("3", "Ticket 3")] == [(one.id, one.attributes["title"]) for page in pages for one in page.entities]
    assert not any(page.exact for page in pages)


@pytest.mark.parametrize(
    ("tree", "count"),
    [
        (None, 50),
        (MatchAll(), 50),
        (tree_of(rule("priority", ">=", 3)), 20),
        (tree_of(rule("title", "=", "TICKET 3", case_sensitive=False)), 1),
    ],
    ids=["none", "all", "exact", "tested"],
)
async def test_a_count_is_exact(tickets: Foreign, source_of: Making, tree: MatchAll, count: int) -> None:
    assert count == await source_of(QUERY).count(EntityQuery("ticket", tree), within_seconds=10)


async def test_a_count_that_takes_too_long_is_not_told(tickets: Foreign, source_of: Making) -> None:
    source = source_of("SELECT id, pg_sleep(1) FROM tickets")

    assert await source.count(EntityQuery("ticket"), within_seconds=0.2) is None
    assert {"id": "integer"} == await source.known_fields()


async def test_columns_are_known_fields(foreign: Foreign, source_of: Making) -> None:
    source = source_of(
        """
        SELECT 1::int AS id, 'x'::text AS "a.b", 1.5::numeric AS n, 1.5::float4 AS f, true AS b, now() AS tz,
               now()::timestamp AS t, now()::date AS d, '{}'::jsonb AS j, '{1}'::int[] AS list, '\\x00'::bytea AS raw,
               gen_random_uuid() AS u, interval '1 day' AS i
        """
    )

    assert {
        "id": "integer", "a\\.b": "string", "n": "number", "f": "number", "b": "boolean", "tz": "date", "t": "date",
        "d": "date", "u": "string",
    } == await source.known_fields()  # fmt: skip


async def test_values_become_what_json_has(foreign: Foreign, source_of: Making) -> None:
    source = source_of(
        """
        SELECT 'x' AS id, 'ä"\\' AS "quo""ted", 9007199254740993 AS big, 12345678901234567890123::numeric AS huge,
               0.1::float4 AS small, 1.50 AS exact, 'NaN'::float8 AS nan, '-Infinity'::numeric AS infinite,
               '1e400'::numeric AS endless,
               '2027-03-01 12:00:00.5+01'::timestamptz AS tz, '2027-07-01 12:00'::timestamp AS local,
               'infinity'::timestamptz AS never, '0044-03-15 BC'::date AS caesar, '2027-02-28'::date AS day,
               '{"a": [1, {"b": null}], "n": 1e400}'::jsonb AS nested, '{"a": 1}'::json AS old,
               ARRAY['a', NULL] AS list,
               'a7c4a9c2-0000-4000-8000-000000000000'::uuid AS u, '\\x00ff'::bytea AS raw, NULL::int AS nothing,
               ROW(1, 'a') AS row
        """,
        zone="Europe/Berlin",
    )
    [entity] = await listed(source)

    assert {
        "id": "x", 'quo"ted': 'ä"\\', "big": 9007199254740993, "huge": "12345678901234567890123",
        "small": 0.1, "exact": 1.5, "nan": None, "infinite": None, "endless": "1" + 400 * "0",
        "tz": "2027-03-01T11:00:00.5Z",
        "local": "2027-07-01T10:00:00Z", "never": None, "caesar": None, "day": "2027-02-28",
        "nested": {"a": [1, {"b": None}], "n": None}, "old": {"a": 1}, "list": ["a", None],
        "u": "a7c4a9c2-0000-4000-8000-000000000000", "nothing": None, "row": {"f1": 1, "f2": "a"},
    } == entity.attributes  # fmt: skip


async def test_columns_may_have_any_name(foreign: Foreign, source_of: Making) -> None:
    names = ["n", "q", "e", "k", "t", "attributes", "updated_at", "select", "A b", 'x"; --', "$1", "ä.ö", "%s", "{0}"]
    quoted = ", ".join(f'{number} AS "{name.replace(chr(34), chr(34) * 2)}"' for number, name in enumerate(names))
    source = source_of(f"SELECT {quoted}", key="k")
    tree = tree_of(rule('x"; --', "=", 9))

    assert [Entity("3", {name: number for number, name in enumerate(names)}, None, NOON)] == await listed(source, tree)


@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        ("timestamptz", "2027-03-01 12:00+02", datetime(2027, 3, 1, 10, tzinfo=UTC)),
        ("timestamp", "2027-03-01 12:00", datetime(2027, 3, 1, 11, tzinfo=UTC)),
        ("date", "2027-03-01", datetime(2027, 2, 28, 23, tzinfo=UTC)),
        ("timestamptz", "infinity", None),
        ("date", "0044-03-15 BC", None),
        ("timestamp", "20000-01-01", None),
    ],
)
async def test_the_time_of_an_entity_is_an_instant(
    foreign: Foreign, source_of: Making, type: str, text: str, expected: datetime | None
) -> None:
    source = source_of(f"SELECT 1 AS id, '{text}'::{type} AS at", updated_at="at", zone="Europe/Berlin")

    assert [expected] == [entity.updated_at for entity in await listed(source)]


async def test_a_query_may_end_in_a_comment_and_have_its_own_clauses(tickets: Foreign, source_of: Making) -> None:
    query = "WITH mine AS (SELECT * FROM tickets) SELECT id, ';' AS x FROM mine ORDER BY title LIMIT 3 -- that is all"

    assert ["1", "10", "11"] == await ids(source_of(query), page_size=2)


async def test_a_query_that_changed_meanwhile_is_looked_at_again(tickets: Foreign, source_of: Making) -> None:
    source = source_of(QUERY)
    await listed(source)
    await tickets.execute("ALTER TABLE tickets DROP COLUMN title")

    assert ["id", "status", "priority", "changed_at"] == list((await source.read("ticket", ["1"]))["1"].attributes)


async def test_a_page_begins_in_the_index_of_the_key(tickets: Foreign) -> None:
    await tickets.execute("INSERT INTO tickets SELECT n FROM generate_series(51, 20000) AS n; ANALYZE tickets")
    async with tickets.transaction():
        statement = Statement(QUERY, await look_at(tickets, QUERY, "id", None), "UTC")
        statement.start_behind(Listed(), Behind("100"))
        sql = f"EXPLAIN {statement.rows(tree_of(rule('title', 'contains', '9')), Listed())} LIMIT 10"
        plan = "\n".join([row[0] for row in await tickets.fetch(sql, *statement.parameters)])

    assert "Index Scan using tickets_pkey" in plan
    assert "Index Cond: (tickets.id >" in plan or "Index Cond: (id >" in plan
    assert "Sort" not in plan


KEY_TYPES = [
    "int8", "numeric", "text", "uuid",
    *(pytest.param(one, marks=pytest.mark.slow) for one in ("int2", "int4", "varchar(9)", "char(9)")),
]  # fmt: skip


async def plan_of(connection: Foreign, statement: Statement, listed: Listed, tree: Any, size: int) -> str:
    sql = f"EXPLAIN {statement.rows(tree, listed)} LIMIT {size}"
    return "\n".join([row[0] for row in await connection.fetch(sql, *statement.parameters)])


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("is_analyzed", [True, False])
async def test_no_page_of_a_plan_sorts_the_table_or_reads_it_whole(
    foreign: Foreign, source_of: Making, key_type: str, is_analyzed: bool
) -> None:
    """Whatever the key is, in whichever order the rows lie, and though nothing of the table stays in memory."""
    database = await foreign.fetchval("SELECT current_database()")
    await foreign.execute(f"ALTER DATABASE {database} SET effective_cache_size = '8kB'")
    spelled = "md5(n::text)::uuid" if key_type == "uuid" else "n::text" if "char" in key_type else "n"
    await foreign.execute(
        f"""
        CREATE TABLE t (id {key_type} PRIMARY KEY, title text, changed_at timestamptz);
        INSERT INTO t SELECT {spelled}, repeat('x', 200), now() FROM generate_series(1, 12000) AS n ORDER BY random()
        """  # noqa: S608 # ours
    )
    if is_analyzed:
        await foreign.execute("ANALYZE t")
    source = source_of("SELECT * FROM t")
    middle = await foreign.fetchval("SELECT id::text FROM t ORDER BY id OFFSET 6000 LIMIT 1")
    plans = []
    async with source._session.connections.transaction(60) as connection:
        shape = await look_at(connection, "SELECT * FROM t", "id", None)
        for tree in (None, tree_of(rule("title", "contains", "x"))):
            for behind in (None, Behind(middle)):
                statement = Statement("SELECT * FROM t", shape, "UTC")
                if behind is not None:
                    statement.start_behind(Listed(), behind)
                plans.append(await plan_of(connection, statement, Listed(), tree, 1001))

    assert ["Index Scan using t_pkey" in plan for plan in plans] == [True] * 4
    assert [] == [plan for plan in plans if "Sort" in plan or "Seq Scan" in plan]


LOOKED_UP = [
    ("status", rule("status", "=", "rare")),
    ("status", rule("status", "in", ["rare", "rarer"])),
    ("priority", rule("priority", "between", [15_000.5, 15_001])),
    ("priority", rule("priority", ">", 19_990)),
    ("changed_at", rule("changed_at", ">=", "now-1M")),
]


async def test_a_filter_is_looked_up_in_the_index_of_its_column(tickets: Foreign) -> None:
    await tickets.execute(
        """
        INSERT INTO tickets SELECT n, '', 'often', n, '2020-01-01T00:00Z' FROM generate_series(51, 20000) AS n;
        CREATE INDEX by_status ON tickets (status);
        CREATE INDEX by_priority ON tickets (priority);
        CREATE INDEX by_changed_at ON tickets (changed_at);
        ANALYZE tickets
        """
    )
    for index, spec in LOOKED_UP:
        async with tickets.transaction():
            statement = Statement(QUERY, await look_at(tickets, QUERY, "id", None), "UTC")
            sql = f"EXPLAIN {statement.rows(tree_of(spec), Listed())} LIMIT 1000"
            plan = "\n".join([row[0] for row in await tickets.fetch(sql, *statement.parameters)])

        assert f"by_{index}" in plan, spec
