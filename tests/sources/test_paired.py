"""Lists of pairs in somebody else's table can be filtered by, and are never asked of the server."""

from typing import Any

import pytest
from tests.sources.sql_asking import Foreign, Making, ids, listed, rule, tree_of

from backfilld.domain.entities.pair_lists import PairLists, parse_members
from backfilld.domain.filters import compile_predicate
from backfilld.sources.base import EntityQuery
from backfilld.sources.paired import PairedSource

SITES = ["Oslo", "Bergen", None]


@pytest.fixture
async def source(foreign: Foreign, source_of: Making) -> PairedSource:
    """Rows 0 to 8; each third is of another site."""
    await foreign.execute("CREATE TABLE t (id int PRIMARY KEY, n int, d jsonb)")
    await foreign.execute(
        """INSERT INTO t
           SELECT i, i, jsonb_build_object('udf', jsonb_build_array(
                      jsonb_build_object('name', 'Site', 'value', ($1::text[])[i % 3 + 1]),
                      jsonb_build_object('name', 'Floor', 'value', i)))
             FROM generate_series(0, 8) i""",
        SITES,
    )
    return PairedSource(source_of("SELECT * FROM t"), PairLists({("d", "udf"): parse_members("name_value")}))


def both(first: Any, second: Any, combinator: str = "and") -> Any:
    return {"combinator": combinator, "rules": [*first["rules"], *second["rules"]]}


OSLO, LOW = rule("d.udf.Site", "=", "Oslo"), rule("n", "<", 5)


FOUND: list[tuple[Any, str]] = [
    (OSLO, "036"),
    (rule("d.udf.Site", "!=", "Oslo"), "124578"),
    (rule("d.udf.Site", "null"), "258"),
    (rule("d.udf.Floor", ">", 6), "78"),
    (rule("d.udf", "isEmpty"), ""),
    (both(OSLO, LOW), "03"),
    (both(OSLO, LOW, "or"), "012346"),
    (both(OSLO, LOW) | {"not": True}, "1245678"),
    (LOW, "01234"),
    ({}, "012345678"),
]


async def test_a_filter_finds_what_stands_in_a_list_of_pairs(source: PairedSource) -> None:
    for spec, expected in FOUND:
        tree = tree_of(spec)
        matches = compile_predicate(tree)
        found = [entity.id for entity in await listed(source, tree) if matches(entity.attributes)]

        assert list(expected) == found, spec
        assert len(expected) == await source.count(EntityQuery("ticket", tree), within_seconds=10), spec


async def test_other_rules_still_spare_rows(source: PairedSource) -> None:
    assert list("01234") == await ids(source, tree_of(both(OSLO, LOW)))


async def test_a_record_read_again_has_objects(source: PairedSource) -> None:
    found = await source.read("ticket", ["1", "99"])

    assert {"1": {"id": 1, "n": 1, "d": {"udf": {"Site": "Bergen", "Floor": 1}}}} == {
        id: entity.attributes for id, entity in found.items()
    }
