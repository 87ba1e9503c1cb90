"""A filter means the same over columns as over the attributes that are made of them."""

from typing import Any

import pytest
from tests.sources.sql_asking import Foreign, tree_of
from tests.support.clock import NOON

from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import Tree, compile_predicate
from backfilld.domain.filters.operators import OPERATORS, Takes
from backfilld.sources.sql_records import rows_of
from backfilld.sources.sql_shape import look_at
from backfilld.sources.sql_statements import Listed, Statement, is_exact

# Each column with its values; a row takes one from each, so that all of them occur.
COLUMNS: dict[str, tuple[str, list[str]]] = {
    "i": ("int", ["0", "1", "-1", "2147483647", "-2147483648"]),
    "b": ("bigint", ["0", "5", "9007199254740993", "9223372036854775807", "-9223372036854775808"]),
    "n": ("numeric", ["1.5", "0", "5", "9007199254740993.5", "1e23", "12345678901234567890123", "NaN", "Infinity"]),
    "f": ("float8", ["1.5", "0.1", "1e23", "5", "NaN", "-Infinity", "1e300"]),
    "r": ("real", ["1.5", "0.1", "3e38", "5"]),
    "t": ("text", ["", "a", "A", "ab", "ß", "STRASSE", "Ä", "5", "true", "2027-03-01", "2027-03-01T12:00:00Z", "null"]),
    "v": ("varchar(20)", ["a", "B", "ab "]),
    "c": ("char(4)", ["a", "ab", "abcd"]),
    "o": ("boolean", ["true", "false"]),
    "z": ("timestamptz", ["2027-03-01T12:00Z", "2027-02-28T23:00Z", "2026-12-31T23:59:59.999999Z", "infinity"]),
    "l": ("timestamp", ["2027-03-01T12:00", "2027-03-01T00:00", "2026-10-25T02:30", "-infinity"]),
    "d": ("date", ["2027-03-01", "2027-02-28", "0001-01-01", "9999-12-31", "infinity", "0044-01-01 BC"]),
    "u": ("uuid", ["a7c4a9c2-0000-4000-8000-000000000000", "00000000-0000-0000-0000-000000000000"]),
    "j": ("jsonb", ["null", "5", '"a"', '["a", 5]', '{"x": 5}', '{"x": "2027-03-01"}', "true", "1e23"]),
    "a": ("text[]", ["{a,b}", "{}", "{NULL}"]),
}  # fmt: skip
SCALARS: list[Any] = [
    0, 1, 5, -1, 1.5, 0.1, 1e23, 9007199254740993, 9007199254740992.0, -9223372036854775808, 9223372036854775807, 1e30,
    "", "a", "A", "ab", "ss", "strasse", "5", "true", "null", "2027-03-01", "2027-03-01T12:00:00Z", "not a uuid",
    "A7C4A9C2-0000-4000-8000-000000000000", "a7c4a9c2-0000-4000-8000-000000000000", True, False,
]  # fmt: skip
PAIRS: list[Any] = [[0, 5], [-1, 1e23], ["", "b"], ["2027-02-28", "2027-03-01"], ["now-1d", "now"]]
VALUES: dict[Takes, list[Any]] = {
    Takes.SCALAR: SCALARS,
    Takes.ORDERED: [*(one for one in SCALARS if not isinstance(one, bool)), "now", "now-1M/M", "2027-01-01"],
    Takes.PAIR: PAIRS,
    Takes.LIST: [SCALARS, [0, 5], ["a", "ab"], ["a7c4a9c2-0000-4000-8000-000000000000", "x"], [1e23], [True]],
    Takes.TEXT: [one for one in SCALARS if isinstance(one, str) and one],
    Takes.NOTHING: [None],
}


def rules() -> list[dict[str, Any]]:
    """Each column with each operator and each value that it takes; texts also without regard to case."""
    found: list[dict[str, Any]] = []
    for field in [*COLUMNS, "j.x", "missing"]:
        for name, operator in OPERATORS.items():
            for value in VALUES[operator.takes]:
                given = {} if value is None else {"value": value}
                found.append({"field": field, "operator": name, **given})
                if isinstance(value, str):
                    found.append({"field": field, "operator": name, **given, "case_sensitive": False})
    return found


@pytest.fixture
async def table(foreign: Foreign) -> Foreign:
    await foreign.execute(
        f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'{name} {type}' for name, (type, _) in COLUMNS.items())})"
    )
    for row in range(max(len(values) for _, values in COLUMNS.values()) + 1):
        given = [values[row] if row < len(values) else None for _, values in COLUMNS.values()]
        slots = ", ".join(f"${n}::text::{type}" for n, (type, _) in enumerate(COLUMNS.values(), 2))
        await foreign.execute(f"INSERT INTO t VALUES ($1, {slots})", row, *given)  # noqa: S608 # types of our own
    return foreign


def known_to(source_fields: dict[str, Any], spec: dict[str, Any]) -> Tree | None:
    """The tree of a rule; None for one that does not fit the type of its field."""
    try:
        return tree_of({"combinator": "and", "rules": [spec]}, **source_fields)
    except AssertionError:
        return None


async def compare(table: Foreign, typed: bool, specs: list[dict[str, Any]]) -> int:
    """Hold what SQL selects against the predicate; how many rules fit the types of the columns."""
    query, looked_at = "SELECT * FROM t", 0
    async with table.transaction():
        await table.execute("SET LOCAL timezone = 'UTC'")
        shape = await look_at(table, query, "id", None)
        everything = await selected(table, Statement(query, shape, "Europe/Berlin"), None)
        for spec in specs:
            tree = known_to(shape.fields if typed else {}, spec)
            if tree is None:
                continue
            looked_at += 1
            matches = compile_predicate(tree)
            expected = [entity.id for entity in everything if matches(entity.attributes)]
            found = [one.id for one in await selected(table, Statement(query, shape, "Europe/Berlin"), tree)]

            assert set(expected) <= set(found), spec
            assert not is_exact(tree) or expected == found, spec
    return looked_at


async def selected(table: Foreign, statement: Statement, tree: Tree | None) -> list[Entity]:
    sql = statement.rows(tree, Listed(), attributes=tree is None)
    rows = rows_of(await table.fetch(sql, *statement.parameters), statement.shape, NOON)
    return [row.found for row in rows if isinstance(row.found, Entity)]


@pytest.mark.parametrize(("typed", "first", "least"), [(False, 0, 200), (True, 3, 100)], ids=["untyped", "typed"])
async def test_some_rules_on_every_column(table: Foreign, typed: bool, first: int, least: int) -> None:
    assert least < await compare(table, typed, rules()[first::13])


@pytest.mark.slow
@pytest.mark.parametrize("typed", [False, True], ids=["untyped", "typed"])
async def test_every_rule_on_every_column(table: Foreign, typed: bool) -> None:
    assert 1000 < await compare(table, typed, rules())
