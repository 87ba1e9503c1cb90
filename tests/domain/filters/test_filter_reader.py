"""Every spelling of a filter, and everything that can be wrong with one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.filters.filter_strategies import relaxed

from backfilld.domain.errors import Fault
from backfilld.domain.filters import Group, MatchAll, Rule, read_filter
from backfilld.domain.filters.operators import OPERATORS

OPEN = Rule(("status",), "=", "open")
FIRST = Rule(("priority",), "in", (1, 2))


def faults_of(spec: Any, **options: Any) -> list[tuple[str, str]]:
    """Path and code of each fault."""
    read = read_filter(spec, "/filter_spec", **options)
    assert (read.tree is None) == bool(read.faults)
    return [(fault.path, fault.code) for fault in read.faults]


def only_fault(spec: Any) -> Fault:
    (fault,) = read_filter(spec, "/filter_spec").faults
    return fault


def rule(**parts: Any) -> dict[str, Any]:
    return {"combinator": "and", "rules": [parts]}


def tree_of(spec: Any) -> Any:
    read = read_filter(spec, "/filter_spec")
    assert [] == read.faults
    return read.tree


@pytest.mark.parametrize(
    "spec",
    [
        {"status": "open", "priority": [1, 2]},
        {"conditions": {"status": "open", "priority": [1, 2]}},
        {
            "combinator": "and",
            "not": False,
            "rules": [
                {"field": "status", "operator": "=", "value": "open"},
                {"field": "priority", "operator": "in", "value": [1, 2], "case_sensitive": True},
            ],
        },
        {
            "conditions": {
                "combinator": "and",
                "rules": [
                    {"field": "status", "operator": "eq", "value": "open"},
                    {"field": "priority", "operator": "in", "value": [1, 2]},
                ],
            }
        },
    ],
)
def test_all_spellings_become_one_tree(spec: Any) -> None:
    assert Group("and", False, (OPEN, FIRST)) == tree_of(spec)


def test_groups_nest_and_are_negated() -> None:
    inner = {"combinator": "or", "not": True, "rules": [{"field": "a.b", "operator": "gt", "value": 1}]}

    assert Group("and", False, (Group("or", True, (Rule(("a", "b"), ">", 1),)),)) == (
        tree_of({"combinator": "and", "rules": [inner]})
    )


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("eq", "="), ("ne", "!="), ("noteq", "!="), ("lt", "<"), ("lte", "<="), ("gt", ">"), ("gte", ">="),
        ("exist", "notNull"), ("notExist", "null"),
    ],
)  # fmt: skip
def test_aliases_become_canonical_names(alias: str, name: str) -> None:
    assert (
        name == tree_of(rule(field="f", operator=alias, **({} if "xist" in alias else {"value": 1}))).rules[0].operator
    )


def test_the_literal_empty_filter_matches_everything_with_a_warning() -> None:
    read = read_filter({}, "/filter_spec")

    assert MatchAll() == read.tree
    assert 1 == len(read.warnings)


def test_an_explicit_match_all_is_no_reason_to_warn() -> None:
    read = read_filter({"match_all": True}, "/filter_spec", require_explicit_match_all=True)

    assert (MatchAll(), []) == (read.tree, read.warnings)


def test_an_empty_filter_can_be_refused() -> None:
    assert [("/filter_spec", "explicit_match_all_required")] == faults_of({}, require_explicit_match_all=True)


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        (None, "", "invalid_type"),
        ([], "", "invalid_type"),
        ("status", "", "invalid_type"),
        ({"match_all": False}, "/match_all", "invalid_value"),
        ({"match_all": True, "status": 1}, "/status", "unknown_key"),
        ({"conditions": {}}, "/conditions", "empty_group"),
        ({"conditions": []}, "/conditions", "invalid_type"),
        ({"conditions": {"a": 1}, "b": 1}, "/b", "unknown_key"),
        ({"conditions": {"conditions": {"a": 1}}}, "/conditions/conditions", "invalid_value"),
        ({"combinator": "and", "rules": []}, "", "empty_group"),
        ({"combinator": "and"}, "/rules", "required"),
        ({"combinator": "and", "rules": {}}, "/rules", "invalid_type"),
        ({"combinator": "and", "rules": None}, "/rules", "invalid_type"),
        ({"combinator": "and", "rules": [{}]}, "/rules/0", "empty_group"),
        ({"combinator": "and", "rules": ["a"]}, "/rules/0", "invalid_type"),
        ({"combinator": "and", "rules": [{"combinator": "or", "rules": []}]}, "/rules/0", "empty_group"),
        ({"rules": [{"field": "a", "operator": "null"}]}, "/combinator", "required"),
        ({"field": "a", "operator": "=", "value": 1}, "", "rule_outside_group"),
        ({"a": None}, "/a", "null_value"),
        ({"a": []}, "/a", "empty_list"),
        ({"a": {"b": 1}}, "/a", "invalid_value"),
        ({"a": [1, None]}, "/a/1", "null_value"),
        ({"a": [1, [2]]}, "/a/1", "invalid_value"),
        ({"a/b": {}}, "/a~1b", "invalid_value"),
        ({"a..b": 1}, "/a..b", "invalid_field"),
        ({"": 1}, "/", "invalid_field"),
        ({"a\\n": 1}, "/a\\n", "invalid_field"),
        ({"a": float("nan")}, "/a", "invalid_value"),
        ({"a": 2**63}, "/a", "number_out_of_range"),
        ({"a": -1e19}, "/a", "number_out_of_range"),
        ({"a": "\0"}, "/a", "invalid_text"),
        ({"a": ["\ud800"]}, "/a/0", "invalid_text"),
        ({"a\0": 1}, "", "invalid_text"),
        ({"a": "x" * 1025}, "/a", "filter_too_large"),
        ({"a": "é" * 513}, "/a", "filter_too_large"),
        ({"a": ["x" * 1000] * 33}, "", "filter_too_large"),
        ({"a": list(range(1001))}, "/a", "too_many_values"),
        ({f"f{n}": 1 for n in range(251)}, "", "filter_too_large"),
    ],
)
def test_a_wrong_filter_is_refused_where_it_is_wrong(spec: Any, path: str, code: str) -> None:
    assert [("/filter_spec" + path, code)] == faults_of(spec)


@pytest.mark.parametrize(
    ("parts", "key", "code"),
    [
        ({"operator": "=", "value": 1}, "field", "required"),
        ({"field": 1, "operator": "=", "value": 1}, "field", "invalid_type"),
        ({"field": "f", "value": 1}, "operator", "required"),
        ({"field": "f", "operator": "like", "value": 1}, "operator", "unknown_operator"),
        ({"field": "f", "operator": ["="], "value": 1}, "operator", "invalid_type"),
        ({"field": "f", "operator": "="}, "value", "required"),
        ({"field": "f", "operator": "=", "value": None}, "value", "null_value"),
        ({"field": "f", "operator": "=", "value": [1]}, "value", "invalid_value"),
        ({"field": "f", "operator": "=", "value": {}}, "value", "invalid_value"),
        ({"field": "f", "operator": "=", "value": 1, "case_sensitive": "no"}, "case_sensitive", "invalid_type"),
        ({"field": "f", "operator": "<", "value": True}, "value", "invalid_value"),
        ({"field": "f", "operator": ">=", "value": [1]}, "value", "invalid_value"),
        ({"field": "f", "operator": "<", "value": None}, "value", "null_value"),
        ({"field": "f", "operator": "between", "value": 1}, "value", "invalid_value"),
        ({"field": "f", "operator": "between", "value": [1]}, "value", "invalid_value"),
        ({"field": "f", "operator": "between", "value": [1, 2, 3]}, "value", "invalid_value"),
        ({"field": "f", "operator": "between", "value": [2, 1]}, "value", "bounds_reversed"),
        ({"field": "f", "operator": "between", "value": [1, "2"]}, "value", "mixed_kinds"),
        ({"field": "f", "operator": "between", "value": ["a", "now"]}, "value", "mixed_kinds"),
        ({"field": "f", "operator": "notBetween", "value": [None, 1]}, "value/0", "null_value"),
        ({"field": "f", "operator": "in", "value": "a"}, "value", "invalid_value"),
        ({"field": "f", "operator": "in", "value": None}, "value", "null_value"),
        ({"field": "f", "operator": "notIn", "value": []}, "value", "empty_list"),
        ({"field": "f", "operator": "contains", "value": ["a"]}, "value", "invalid_value"),
        ({"field": "f", "operator": "beginsWith", "value": 1}, "value", "invalid_value"),
        ({"field": "f", "operator": "null", "value": 1}, "value", "invalid_value"),
        ({"field": "f", "operator": "isEmpty", "value": False}, "value", "invalid_value"),
        ({"field": "f", "operator": ">", "value": "2025-01-01T10:00:00"}, "value", "naive_datetime"),
        ({"field": "f", "operator": "between", "value": ["2025-01-01 10:00", "now"]}, "value/0", "naive_datetime"),
        ({"field": "f", "operator": ">", "value": "2025-02-29"}, "value", "invalid_date"),
        ({"field": "f", "operator": ">", "value": "2025-1-5"}, "value", "invalid_date"),
        ({"field": "f", "operator": ">", "value": "2025-01-01T10:00Z"}, "value", "invalid_date"),
        ({"field": "f", "operator": ">", "value": "now-90x"}, "value", "invalid_date"),
        ({"field": "f", "operator": ">", "value": "now - 90d"}, "value", "invalid_date"),
        ({"field": "f", "operator": "=", "value": "soon", "as": "date"}, "value", "invalid_date"),
        ({"field": "f", "operator": "in", "value": ["now", 5], "as": "date"}, "value/1", "invalid_value"),
        ({"field": "f", "operator": "=", "value": "now", "as": "time"}, "as", "invalid_value"),
        ({"field": "f", "operator": "contains", "value": "now", "as": "date"}, "as", "invalid_value"),
        ({"field": "f", "operator": ">", "value": "now", "timezone": "Mars/Base"}, "timezone", "unknown_timezone"),
        ({"field": "f", "operator": "null", "vaule": 1}, "vaule", "unknown_key"),
    ],
)
def test_a_wrong_rule_is_refused_where_it_is_wrong(parts: dict[str, Any], key: str, code: str) -> None:
    assert [(f"/filter_spec/rules/0/{key}", code)] == faults_of(rule(**parts))


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("=", "2025-01-01T10:00:00"),  # a text is a text
        ("contains", "now-90x"),
        (">", "nowhere"),
        (">", "20250101"),
        (">", "2025-01-01T10:00:00.5+05:30"),
        ("<", "2025-01-01 10:00:00z"),
        ("between", ["2025-01-01", "now/d"]),
        ("between", ["now-1M/M", "now+1y-3d/w"]),
        ("null", None),
        ("null", ""),
        ("in", [1, "1", True]),
        ("=", 2**63 - 1),
    ],
)
def test_values_that_an_operator_takes(operator: str, value: Any) -> None:
    assert [] == faults_of(rule(field="f", operator=operator, value=value))


def test_every_fault_is_told_at_once_and_in_order() -> None:
    spec = {
        "combinator": "nand",
        "nto": True,
        "rules": [
            {"field": "", "operator": "betwen", "value": []},
            {"combinator": "or", "rules": [{"field": "f", "operator": "in", "value": [None, {}]}]},
            {"field": "a", "operator": "<", "value": "2025-01-01T00:00"},
        ],
    }

    assert [
        ("/filter_spec/nto", "unknown_key"),
        ("/filter_spec/combinator", "invalid_value"),
        ("/filter_spec/rules/0/field", "invalid_field"),
        ("/filter_spec/rules/0/operator", "unknown_operator"),
        ("/filter_spec/rules/1/rules/0/value/0", "null_value"),
        ("/filter_spec/rules/1/rules/0/value/1", "invalid_value"),
        ("/filter_spec/rules/2/value", "naive_datetime"),
    ] == faults_of(spec)


def test_what_is_not_known_is_answered_with_the_nearest() -> None:
    operator = only_fault(rule(field="f", operator="betwen", value=[1, 2]))
    key = only_fault(rule(field="f", operator="=", vaule=1, value=1))

    assert "did you mean 'between'?" in operator.message
    assert "between" == operator.allowed[0]
    assert set(OPERATORS) == set(operator.allowed)
    assert "did you mean 'value'?" in key.message
    assert "value" == key.allowed[0]


def nested(depth: int) -> dict[str, Any]:
    spec = rule(field="f", operator="null")
    for _ in range(depth - 1):
        spec = {"combinator": "and", "rules": [spec]}
    return spec


def test_groups_may_be_eight_deep() -> None:
    assert [] == faults_of(nested(8))
    assert [("/filter_spec" + "/rules/0" * 8, "filter_too_large")] == faults_of(nested(9))


def test_a_bomb_of_nesting_is_one_fault() -> None:
    bomb: Any = []
    for _ in range(100_000):
        bomb = [bomb]

    assert [("/filter_spec", "filter_too_large")] == faults_of({"a": bomb})


def test_the_limits_themselves_are_allowed() -> None:
    assert [] == faults_of({f"f{n}": 1 for n in range(250)})
    assert [] == faults_of({"a": "x" * 1024})
    assert [] == faults_of({"a": list(range(1000))})


def test_an_empty_text_to_look_for_is_warned_of() -> None:
    read = read_filter(rule(field="f", operator="doesNotContain", value=""), "/filter_spec")

    assert 1 == len(read.warnings)
    assert "/filter_spec/rules/0" in read.warnings[0]


def anything() -> st.SearchStrategy[Any]:
    """Any JSON, with the words of the language sprinkled in."""
    words = st.sampled_from(
        [
            *("combinator", "rules", "not", "field", "operator", "value", "conditions", "match_all", "and", "or"),
            *("as", "date", "timezone", "case_sensitive", "now-1d", "2025-01-01", *OPERATORS),
        ]
    )
    texts = st.one_of(words, st.text(st.characters(), max_size=3))
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
    return st.recursive(leaves, lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner)), max_leaves=15)


@given(spec=anything())
@relaxed
def test_any_json_is_read_or_refused_and_can_be_answered(spec: Any) -> None:
    read = read_filter(spec, "/filter_spec")

    assert (read.tree is None) == bool(read.faults)
    for fault in read.faults:
        assert fault.path.startswith("/filter_spec")
        assert (fault.path + fault.message).encode().find(b"\0") == -1
