"""Why a filter matches nothing, told in sentences."""

from typing import Any

import pytest
from tests.domain.filters.filter_strategies import tree_of

from backfilld.domain.filters import explain_zero


def explained(spec: Any, *records: dict[str, Any]) -> list[str]:
    tree = tree_of(spec)
    assert tree is not None
    return explain_zero(tree, iter(records))


def one(operator: str, value: Any = None) -> dict[str, Any]:
    return {"combinator": "and", "rules": [{"field": "f", "operator": operator, "value": value}]}


def test_a_field_of_another_type_is_named_with_an_example() -> None:
    records: list[dict[str, Any]] = [{"priority": "1"}] * 80_000
    records += [{"priority": True}, {"priority": 7}]

    assert [
        'field `priority` is text in 80,000 records (example "1"); the rule compares a number',
        "field `priority` is true or false in 1 record (example true); the rule compares a number",
    ] == explained({"priority": 1}, *records)


def test_a_field_that_no_record_has_is_answered_with_the_nearest() -> None:
    assert ["field `stauts` is in none of the records (2); did you mean 'status'?"] == (
        explained({"stauts": "open"}, {"status": "open"}, {"status": None})
    )


def test_texts_that_are_no_dates_are_named() -> None:
    assert ['field `f` is text that is no date in 1 record (example "soon"); the rule compares a date'] == (
        explained(one(">", "now-1d"), {"f": "soon"}, {"f": "2020-01-01"})
    )


def test_a_difference_of_case_alone_is_named() -> None:
    (sentence,) = explained({"status": "open"}, {"status": "Open"}, {"status": "shut"})

    assert 'only in upper and lower case in 1 record (example "Open")' in sentence


@pytest.mark.parametrize(("operator", "value"), [("null", None), ("!=", "x"), ("isEmpty", None), ("notIn", ["x"])])
def test_rules_that_a_missing_field_satisfies_are_not_blamed(operator: str, value: Any) -> None:
    assert [] == explained(one(operator, value), {"g": 1})


@pytest.mark.parametrize(("operator", "value"), [("notNull", None), ("=", "x"), ("isNotEmpty", None), ("<", 1)])
def test_rules_that_need_the_field_are_blamed(operator: str, value: Any) -> None:
    assert ["field `f` is in none of the records (1)"] == explained(one(operator, value), {"g": 1})


def test_two_rules_on_a_field_are_explained_once() -> None:
    assert 1 == len(explained({"combinator": "or", "rules": one("<", 1)["rules"] + one(">", 9)["rules"]}, {"f": "x"}))


def test_nothing_is_said_where_nothing_strikes() -> None:
    assert [] == explained({"status": "open"}, {"status": "shut"})
    assert [] == explained({"status": "open"})
    assert [] == explained({}, {"status": "open"})
