"""A filter as SQL on a real PostgreSQL, held against the predicate."""

import json
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.domain.filters.filter_strategies import (
    DATES,
    NO_DATES,
    NUMBERS,
    RAW_NUMBERS,
    TEXTS,
    ZONES,
    records,
    relaxed,
    tree_of,
    trees,
)
from tests.support.examples import examples

from backfilld.domain.filters import Group, MatchAll, Tree, compile_predicate
from backfilld.domain.filters.operators import OPERATORS, Takes
from backfilld.domain.filters.tree import rules_of
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.filters import to_sql

# One value of everything that the strategies know, alone in a field: for tests that need no luck.
EVERYTHING = [json.dumps(value) for value in (*TEXTS, *DATES, *NO_DATES, *NUMBERS, True, False, None)] + RAW_NUMBERS
EVERYTHING += ["[]", "{}", '["a", 1, true]', '[["a"]]', '{"x": 1}', '[""]', "[0.1]", '["ß"]']


async def compare(pool: Pool, tree: Tree, texts: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """The records that the predicate takes and those that SQL selects, both as they come back from the database."""
    condition = to_sql(tree, first_parameter=2)
    rows = await pool.fetch(
        f"""
        SELECT attributes::text AS text, ({condition.sql}) AS selected
          FROM (SELECT text::jsonb AS attributes, n FROM unnest($1::text[]) WITH ORDINALITY AS given (text, n)) records
         ORDER BY n
        """,  # noqa: S608 # the text under test
        list(texts),
        *condition.parameters,
    )
    await _narrowed_the_same(pool, tree, texts, [row["selected"] for row in rows])
    matches = compile_predicate(tree)
    taken = [row["text"] for row in rows if matches(json.loads(row["text"]))]
    assert None not in [row["selected"] for row in rows]
    return taken, [row["text"] for row in rows if row["selected"]], condition.exact


async def _narrowed_the_same(pool: Pool, tree: Tree, texts: Sequence[str], selected: Sequence[bool]) -> None:
    """With an index of every field that the filter asks for the same are selected."""
    condition = to_sql(tree, first_parameter=2, indexed={rule.field for rule in rules_of(tree)})
    if not condition.narrowed:
        return
    rows = await pool.fetch(
        f"""
        SELECT ({condition.sql}) AS selected
          FROM (SELECT text::jsonb AS attributes, n FROM unnest($1::text[]) WITH ORDINALITY AS given (text, n)) records
         ORDER BY n
        """,  # noqa: S608 # the text under test
        list(texts),
        *condition.parameters,
    )

    assert list(selected) == [row["selected"] for row in rows]


@given(tree_list=st.lists(trees(), min_size=1, max_size=8), texts=st.lists(records(), min_size=1, max_size=30))
@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
async def test_sql_selects_no_less_than_the_predicate_and_no_more_if_exact(
    pool: Pool, tree_list: list[Tree], texts: list[str]
) -> None:
    for tree in tree_list:
        taken, selected, exact = await compare(pool, tree, texts)

        assert set(taken) <= set(selected)
        assert not exact or taken == selected


X = {"field": "a", "operator": "=", "value": "x"}
TELLS_NOTHING = [
    {"combinator": "or", "rules": [X, {"field": "b", "operator": "contains", "value": "y"}]},
    {"combinator": "and", "not": True, "rules": [X]},
]


@pytest.mark.parametrize("rule", TELLS_NOTHING)
async def test_what_tells_nothing_of_a_filter_leaves_no_parameter_behind(pool: Pool, rule: dict[str, Any]) -> None:
    tree = tree_of({"combinator": "and", "rules": [rule, {"field": "b", "operator": "=", "value": "z"}]})
    assert tree is not None

    await compare(pool, tree, ['{"a": "x", "b": "z"}', "{}"])


def rules_on_everything() -> list[dict[str, Any]]:
    """Each operator with each value that it takes."""
    texts: list[Any] = [*TEXTS]
    dates: list[Any] = [*DATES, "now", "now-1M/M"]
    scalars: list[Any] = [*texts, *NUMBERS, True, False]
    ordered = [*texts, *dates, *NUMBERS]
    pairs = [[a, b] for kind in (texts[::3], dates[::4], NUMBERS[::2]) for a in kind for b in kind]
    rules: list[dict[str, Any]] = []
    for operator in OPERATORS.values():
        values = {
            Takes.SCALAR: scalars,
            Takes.ORDERED: ordered,
            Takes.PAIR: pairs,
            Takes.LIST: [scalars, texts[3:9], NUMBERS[:5], NUMBERS[8:], [True]],
            Takes.TEXT: texts,
            Takes.NOTHING: [None],
        }[operator.takes]
        rules += [{"field": "f", "operator": operator.name, "value": value} for value in values]
    rules += [{"field": "f", "operator": "=", "value": value, "as": "date"} for value in dates]
    rules += [{"field": "f", "operator": "notIn", "value": dates[:-4], "as": "date"}]
    return rules


@pytest.mark.parametrize("zone", ZONES[:2])
async def test_every_operator_agrees_on_every_value(pool: Pool, zone: str) -> None:
    texts = ["{}", *(f'{{"f": {value}}}' for value in EVERYTHING)]
    # every sixth, and those that take no value: the slow ring has them all, in every zone
    rules = enumerate(rules_on_everything(), start=ZONES.index(zone))
    some = [rule for number, rule in rules if number % 6 == 0 or rule["value"] is None]
    assert {*OPERATORS} == {rule["operator"] for rule in some}

    for rule in some:
        await check_both_cases(pool, rule, texts, zone)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
async def test_every_operator_agrees_on_every_value_in_every_zone(pool: Pool, zone: str) -> None:
    texts = ["{}", *(f'{{"f": {value}}}' for value in EVERYTHING)]
    for rule in rules_on_everything():
        await check_both_cases(pool, rule, texts, zone)


async def check_both_cases(pool: Pool, rule: dict[str, Any], texts: list[str], zone: str) -> None:
    for case_sensitive in (True, False):
        spec = {"combinator": "and", "rules": [rule | {"case_sensitive": case_sensitive}]}
        tree = tree_of(spec, zone=ZoneInfo(zone))
        if tree is None:  # reversed ends, or beyond the calendar
            continue
        taken, selected, exact = await compare(pool, tree, texts)

        assert set(taken) <= set(selected), rule
        assert not exact or taken == selected, rule
        assert exact or not case_sensitive, rule


@given(tree=trees(), text=records())
@settings(relaxed, max_examples=examples(100))
def test_both_readers_of_json_lead_to_the_same_answer(tree: Tree, text: str) -> None:
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError:  # a number beyond all doubles
        return

    assert compile_predicate(tree)(json.loads(text)) is compile_predicate(tree)(record)


async def test_ignoring_case_is_decided_for_ascii(pool: Pool) -> None:
    spec = {"combinator": "and", "rules": [{"field": "f", "operator": "=", "value": "OPEN", "case_sensitive": False}]}
    tree = tree_of(spec)
    assert tree is not None
    texts = ['{"f": "open"}', '{"f": "Open"}', '{"f": "shut"}', '{"f": "öpen"}', '{"f": 1}', "{}"]

    assert (['{"f": "open"}', '{"f": "Open"}'], ['{"f": "open"}', '{"f": "Open"}', '{"f": "öpen"}'], False) == (
        await compare(pool, tree, texts)
    )


def test_everything_is_true_without_parameters() -> None:
    condition = to_sql(MatchAll())

    assert ("TRUE", [], True) == (condition.sql, condition.parameters, condition.exact)


def test_what_users_write_is_never_in_the_sql() -> None:
    tree = tree_of({"zzfield": "zzvalue", "zznested.zzfield": ["zzone", "zztwo"]})
    assert tree is not None
    condition = to_sql(tree, column="e.attributes", first_parameter=4)

    assert "zz" not in condition.sql
    assert "$4::text" in condition.sql
    assert "$3" not in condition.sql
    assert f"${3 + len(condition.parameters)}::" in condition.sql


async def test_the_largest_filter_is_run(pool: Pool) -> None:
    rules = [{"field": f"a.{n}", "operator": "notIn", "value": [n, "x", True]} for n in range(250)]
    spec: dict[str, Any] = {"combinator": "or", "rules": rules}
    for _ in range(7):
        spec = {"combinator": "and", "not": True, "rules": [spec]}
    tree = tree_of(spec)
    assert isinstance(tree, Group)
    taken, selected, exact = await compare(pool, tree, ["{}", '{"a": {"7": 7}}'])

    assert exact
    assert taken == selected
