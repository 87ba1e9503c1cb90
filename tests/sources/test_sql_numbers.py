"""Numbers and texts that lose something on their way: each comes exactly, or says that it is text."""

from typing import Any

import orjson
import pytest
from tests.sources.sql_asking import Foreign, Making, ids, listed, rule, tree_of

from backfilld.domain.texts import exact_numbers

NUMBERS: list[tuple[str, Any]] = [
    ("'100000000000000000000'::numeric", "100000000000000000000"),
    ("'-100000000000000000000.0'::numeric", "-100000000000000000000"),
    ("'9223372036854775807'::numeric", 2**63 - 1),
    ("'9223372036854775808'::numeric", "9223372036854775808"),
    ("'-9223372036854775808'::numeric", -(2**63)),
    ("'9007199254740993.5'::numeric", "9007199254740993.5"),
    ("'12345.67'::numeric", 12345.67),
    ("1::numeric / 3", 1 / 3),
    ("'1e-400'::numeric", 0.0),
    ("'1e400'::numeric", "1" + "0" * 400),
    ("'NaN'::numeric", None),
    ("'Infinity'::numeric", None),
    ("'1e308'::float8", 1e308),
    ("'-1e20'::float8", -1e20),
    ("'3e38'::float4", 3e38),
    ("5::float8", 5),
    ("'NaN'::float8", None),
    ("9223372036854775807::int8", 2**63 - 1),
]


async def test_a_number_is_one_where_json_can_say_it(source_of: Making) -> None:
    columns = ", ".join(f"{value} AS n{number}" for number, (value, _) in enumerate(NUMBERS))
    [entity] = await listed(source_of(f"SELECT 'a' AS id, {columns}"))  # ours
    for number, (value, expected) in enumerate(NUMBERS):
        found = entity.attributes[f"n{number}"]

        assert (expected, type(expected)) == (found, type(found)), value
    assert orjson.dumps(entity.attributes)


async def test_whole_numbers_within_json_can_be_written_nevertheless(source_of: Making) -> None:
    [entity] = await listed(source_of("""SELECT 'a' AS id, '{"n": 100000000000000000000, "l": [1e20]}'::jsonb AS j"""))

    assert {"n": "100000000000000000000", "l": ["100000000000000000000"]} == exact_numbers(entity.attributes)["j"]


async def test_numbers_that_came_as_text_are_remarked_once(foreign: Foreign, source_of: Making) -> None:
    await foreign.execute("CREATE TABLE nk (id numeric PRIMARY KEY, small numeric)")
    await foreign.execute("INSERT INTO nk VALUES (1e20, 1), (2e20, 2)")
    source = source_of("SELECT * FROM nk")
    before = await source.remarks()
    found = await listed(source)
    remarks = await source.remarks()

    assert [] == before
    assert ["100000000000000000000", "200000000000000000000"] == [entity.id for entity in found]
    assert 1 == len(remarks)
    assert "column 'id' has numbers that JSON cannot hold exactly" in remarks[0]


@pytest.mark.parametrize("column", ["char(5)", "bpchar", "varchar(5)", "text"])
async def test_a_text_is_compared_as_it_is_named(foreign: Foreign, source_of: Making, column: str) -> None:
    await foreign.execute(f"CREATE TABLE t (id {column} PRIMARY KEY, kind {column})")
    await foreign.execute("INSERT INTO t VALUES ('a', 'x')")
    source = source_of("SELECT * FROM t")
    [entity] = await listed(source)

    assert ("a", {"id": "a", "kind": "x"}) == (entity.id, entity.attributes)
    assert ["a"] == await ids(source, tree_of(rule("id", "=", "a")))
    assert ["a"] == await ids(source, tree_of(rule("kind", "in", ["x", "y"])))
    assert ["a"] == list(await source.read("ticket", ["a"]))
