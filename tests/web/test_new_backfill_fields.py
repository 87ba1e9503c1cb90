"""What the form of a new backfill says, and how a body is shown in it: either way, nothing is lost."""

from typing import Any

import pytest

from backfilld.api.public.backfills.bodies import CreateBackfill
from backfilld.domain.backfill_settings import FailurePolicy
from backfilld.domain.errors import Fault
from backfilld.domain.filters import read_filter
from backfilld.domain.filters.operators import OPERATORS, Takes
from backfilld.web.fields import filter_fields, window_fields
from backfilld.web.fields.filter_fields import WORDS, edited, group_of, spell, words_for
from backfilld.web.fields.values import typed, written
from backfilld.web.pages.new_backfill.document import document_of, fields_of

VALUES: dict[Takes, list[Any]] = {
    Takes.SCALAR: ["open", 2, 2.5, -1, True, "2", "true", "a, b", '"quoted"', "üñ 🙂", ""],
    Takes.ORDERED: ["2026-01-31", 7, 0.5],
    Takes.PAIR: [[1, 5], ["2026-01-01", "2026-02-01"]],
    Takes.LIST: [["open", "closed"], [1, 2.5, True], ["a, b", "c"], ["1", 1], [""], ["one"]],
    Takes.TEXT: ["INC-", "12", '"'],
    Takes.NOTHING: [None],
}
RULES = [(one.name, value) for one in OPERATORS.values() for value in VALUES[one.takes]]


def rule(name: str, operator: str = "=", value: Any = "x") -> dict[str, Any]:
    spec = {"field": name, "operator": operator, "value": value}
    return spec if value is not None else {"field": name, "operator": operator}


def group(*rules: Any, combinator: str = "and", **more: Any) -> dict[str, Any]:
    return {"combinator": combinator, "rules": list(rules)} | more


def again(spec: Any) -> Any:
    fields = filter_fields.fields_of(spec)

    assert fields is not None
    return spell(group_of(fields)).spec


def test_every_operator_has_words() -> None:
    assert OPERATORS.keys() == WORDS.keys()


@pytest.mark.parametrize(("operator", "value"), RULES)
def test_a_rule_of_every_operator_comes_back(operator: str, value: Any) -> None:
    spec = group(rule("a.b", operator, value))

    assert spec == again(spec)
    assert repr(spec) == repr(again(spec))


def test_three_levels_come_back_in_their_order() -> None:
    inner = group(rule("d"), group(rule("e"), rule("f", "null", None), combinator="or", **{"not": True}))
    spec = group(rule("a"), inner, rule("b", "in", [1, 2]), combinator="or", **{"not": True})

    assert spec == again(spec)


UNSHOWN: list[Any] = [
    group(rule("a") | {"case_sensitive": False}),
    group(rule("a") | {"as": "date"}),
    group(rule("a", value={"days": 3})),
    group(rule("a", "in", "one text")),
    group(rule("a", "nonsense")),
    group(rule("a", value="two\nlines")),
    group(rule("a", value=" spaced")),
    group(group(group(group(rule("deep"))))),
    group(),
    {"status": "open"},
    [],
    None,
    "text",
]


@pytest.mark.parametrize("spec", UNSHOWN)
def test_what_the_builder_cannot_show_stays_json(spec: Any) -> None:
    fields = fields_of({"filter_spec": spec})

    if fields["mode"] == "":
        assert repr(spec) == repr(again(spec))
    assert spec == document_of(fields).body["filter_spec"]


@pytest.mark.parametrize(
    ("text", "operator", "value"),
    [
        ("a, b ,c", "in", ["a", "b", "c"]),
        ('"a, b", 2', "in", ["a, b", 2]),
        ("1, 5", "between", [1, 5]),
        ("", "in", []),
        ("01", "=", "01"),
        ("1e5", "=", "1e5"),
        ("NaN", "=", "NaN"),
        ('"', "=", '"'),
        ('"a', "in", ['"a']),
        ("a,", "in", ["a"]),
    ],
)
def test_what_is_typed_becomes_a_value(text: str, operator: str, value: Any) -> None:
    assert repr(value) == repr(typed(text, operator))


@pytest.mark.parametrize("value", [None, {}, [1], float("nan"), 10**30, "a\nb"])
def test_what_no_field_can_show_is_not_shown(value: Any) -> None:
    assert written(value, "=") is None


def test_a_blank_rule_says_nothing_and_a_valueless_one_says_something() -> None:
    blank = {"f.c": "and", "f.0.field": "", "f.0.op": "=", "f.0.value": "", "f.1.c": "or", "f.1.0.field": ""}

    assert spell(group_of(blank)).spec is None
    assert group(rule("", value="x")) == spell(group_of(blank | {"f.0.value": "x"})).spec
    assert group(rule("a", value="")) == spell(group_of(blank | {"f.0.field": "a"})).spec


def test_rules_and_groups_are_added_and_removed_where_one_says() -> None:
    fields: dict[str, str] = {"f.c": "and", "f.0.field": "a", "f.0.op": "=", "f.0.value": "1", "name": "kept"}
    fields = edited(fields, "group", "f")
    fields = edited(fields, "group", "f.1") | {"f.1.1.0.field": "deep"}
    fields = edited(fields, "group", "f.1.1")  # no deeper
    fields = edited(fields, "rule", "f.1.1") | {"f.1.1.1.field": "second"}

    deep = group(rule("deep", value=""), rule("second", value=""))
    assert group(rule("a", value=1), group(deep, combinator="or")) == spell(group_of(fields)).spec
    assert group(rule("a", value=1)) == spell(group_of(edited(fields, "drop", "f.1.1"))).spec
    assert "kept" == edited(fields, "drop", "f.0")["name"]


def test_names_that_nobody_gave_are_no_part_of_the_tree() -> None:
    hostile = {"f.c": "and", "f." + "0." * 5_000 + "c": "and", "f.x.c": "or", "f.99999.field": "a"}

    assert [] == group_of(hostile).rows


FAULTY = {"f.c": "and", "f.3.field": "", "f.3.op": "=", "f.3.value": "x", "f.5.c": "or",
          "f.5.2.field": "a", "f.5.2.op": "between", "f.5.2.value": "1"}  # fmt: skip


def test_a_fault_is_led_to_the_field_that_it_is_about() -> None:
    made = document_of(FAULTY | {"w.4.d0": "1", "w.4.from": "25:00", "w.4.to": "06:00"})
    found = [made.field_of(fault) for fault in read_filter(made.body["filter_spec"], "/filter_spec").faults]

    assert ["f.3.field", "f.5.2.value"] == found
    assert "w.4.from" == made.field_of(Fault("/daily_execution_windows/monday/0/run_start_time", "x", ""))
    assert "fp.window" == made.field_of(Fault("/failure_policy/window", "x", ""))
    assert "excluded_dates" == made.field_of(Fault("/excluded_dates/3", "x", ""))
    assert "" == made.field_of(Fault("/unheard_of", "x", ""))


def span(start: str, end: str) -> dict[str, str]:
    return {"run_start_time": start, "run_end_time": end}


WEEKS: dict[str, tuple[dict[str, Any], int]] = {
    "overnight": ({"monday": [span("22:00", "06:00")], "friday": [span("22:00", "06:00")]}, 1),
    "two spans a day": ({"monday": [span("01:00", "05:00"), span("20:00", "24:00")]}, 2),
    "different days": ({"monday": [span("01:00", "05:00")], "sunday": [span("00:00", "24:00")]}, 2),
    "half shared": ({"monday": [span("1:00", "5:00"), span("7:00", "8:00")], "tuesday": [span("7:00", "8:00")]}, 2),
    "never": ({}, 0),
}


@pytest.mark.parametrize("name", WEEKS)
def test_windows_come_back_and_days_share_rules(name: str) -> None:
    windows, rules = WEEKS[name]
    rows = window_fields.rows_of(window_fields.fields_of(windows))

    assert windows == window_fields.week_of(rows).windows
    assert rules == len(rows)


@pytest.mark.parametrize("name", window_fields.PRESETS)
def test_a_preset_takes_the_place_of_all_windows(name: str) -> None:
    fields = window_fields.edited({"w.7.d0": "1", "w.7.from": "1:00", "name": "kept"}, "preset", name)
    rows = window_fields.rows_of(fields)

    assert "kept" == fields["name"]
    assert "w.7.d0" not in fields
    assert window_fields.week_of(rows).windows


def test_a_window_is_added_and_removed() -> None:
    fields = window_fields.edited(window_fields.preset("office"), "window", "")

    assert 3 == len(window_fields.rows_of(fields))
    assert ["w.2.from"] == list(document_of(fields).faults)
    assert window_fields.preset("office") == window_fields.edited(fields, "unwindow", "w.2")


BODY = {
    "target_workflow_id": 3, "entity_type": "ticket", "name": "tidy up", "timezone": "America/New_York",
    "max_in_flight": 4, "starts_per_minute": 2.5, "sample_size": 10, "max_credits": 100, "order": "newest_first",
    "reprocess_behavior": "completed", "max_attempts": 2, "excluded_dates": ["2026-12-24", "2026-12-25"],
    "entity_ids": ["a", "b, c"], "params": {"x": [1]}, "rehearsal": True, "recheck": False,
    "slow_down": {"latency_ms": 500, "of": "p95", "over": 30},
    "failure_policy": {"enabled": False, "max_failure_ratio": 0.125, "window": 20, "min_sample": 5,
                       "max_consecutive_failures": 7},
    "filter_spec": group(rule("status", "in", ["open", 2])), "daily_execution_windows": WEEKS["half shared"][0],
}  # fmt: skip


def test_every_setting_that_one_may_choose_has_a_field() -> None:
    said_elsewhere = {"start", "reason", "total_estimated"}  # by the button, and by programs

    assert CreateBackfill.model_fields.keys() - said_elsewhere == BODY.keys()


def test_a_whole_body_comes_back() -> None:
    made = document_of(fields_of(BODY))

    assert BODY == made.body
    assert {} == made.faults


@pytest.mark.parametrize("text", ["many", "1e99", "nan", "--1", "½"])
def test_what_is_no_number_is_handed_on_to_be_named(text: str) -> None:
    assert text == document_of({"max_in_flight": text}).body["max_in_flight"]


def test_the_usual_policy_is_what_the_form_begins_with() -> None:
    policy = FailurePolicy()

    assert 0.5 == policy.max_failure_ratio
    assert "50" == fields_of({"failure_policy": {"max_failure_ratio": policy.max_failure_ratio}})["fp.ratio"]


KINDS: list[tuple[tuple[str, ...], set[str], set[str]]] = [
    (("integer",), {"is", "≤", "between"}, {"contains", "begins with", "is empty"}),
    (("date",), {"is before", "is on or after", "is missing"}, {"contains", "<"}),
    (("boolean",), {"is", "is not"}, {"<", "contains", "is one of"}),
    (("text",), {"is", "contains", "begins with", "is one of"}, {"has"}),
    (("list",), {"has", "has not", "is empty"}, {"is", "<", "contains"}),
    (("object",), {"is missing", "is there"}, {"is", "contains"}),
    (("list", "text"), {"contains", "is", "is empty"}, {"has"}),
    ((), set(WORDS.values()), set()),
    (("something new",), set(WORDS.values()), set()),
]


@pytest.mark.parametrize(("kinds", "among", "not_among"), KINDS)
def test_operators_follow_the_kind_of_field(kinds: tuple[str, ...], among: set[str], not_among: set[str]) -> None:
    offered = set(words_for(kinds, "=").values() if "is" in among else words_for(kinds, "isEmpty").values())

    assert among <= offered
    assert set() == not_among & offered


@pytest.mark.parametrize("operator", WORDS)
def test_an_operator_that_is_chosen_stays_to_be_seen(operator: str) -> None:
    assert operator in words_for(("boolean",), operator)
