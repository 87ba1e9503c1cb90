"""`${name}`: names are put in, and nothing else is understood."""

import pytest

from backfilld.domain.placeholders import (
    Unfilled,
    filled,
    filled_value,
    problems_with,
    resolved_exports,
    secret_key,
)

VARIABLES = {"day": "2027-03-01", "n": 3, "on": True, "none": None, "td": {"db": {"name": "x"}}, "list": [1, "a"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no names", "no names"),
        ("${day}", "2027-03-01"),
        ("a/${ day }/${n}", "a/2027-03-01/3"),
        ("${on}${none}", "true"),
        ("${td.db.name}", "x"),
        ("${td.db}", '{"name":"x"}'),
        ("${list}", '[1,"a"]'),
        ("$day {day} $$", "$day {day} $$"),
    ],
)
def test_names_are_replaced_by_their_values(text, expected):
    assert expected == filled(text, VARIABLES)


@pytest.mark.parametrize("text", ["${other}", "${td.other}", "${day.x}", "${td.db.name.y}"])
def test_a_name_without_a_value_is_said(text):
    with pytest.raises(Unfilled, match="there is no variable") as problem:
        filled(text, VARIABLES)

    assert "variable_missing" == problem.value.code


def test_a_value_is_not_read_again():
    assert "${n}" == filled("${x}", {"x": "${n}", "n": 1})


def test_names_are_replaced_inside_of_values_and_other_values_stay():
    value = {"a": ["${n}", 1, {"b": "${day}"}], "c": None}

    assert {"a": ["3", 1, {"b": "2027-03-01"}], "c": None} == filled_value(value, VARIABLES)


@pytest.mark.parametrize(
    "text",
    ["${a + 1}", "${moment(session_time).format()}", "${a['b']}", "${}", "${a.}", "${1a}", "${a", "${{a}}", "${a:-b}"],
)
def test_an_expression_is_named(text):
    (problem,) = problems_with(text)

    assert "only names are put in here" in problem


def test_a_secret_may_only_be_a_whole_value():
    (problem,) = problems_with("Bearer ${secret:token}")

    assert "whole value of a header" in problem
    assert "token" == secret_key("${secret:token}")
    assert secret_key("Bearer ${secret:token}") is None


def test_exports_may_refer_to_variables_and_to_each_other_in_any_order():
    exports = {"path": "${base}/x", "base": "s3/${day}", "deep": {"p": "${path}", "n": 1}}

    assert {"path": "s3/2027-03-01/x", "base": "s3/2027-03-01", "deep": {"p": "s3/2027-03-01/x", "n": 1}} == (
        resolved_exports(exports, VARIABLES)
    )


def test_what_a_variable_says_is_not_looked_through_for_names():
    assert {"a": "${day}"} == resolved_exports({"a": "${x}"}, {"x": "${day}", "day": "no"})


@pytest.mark.parametrize(
    "exports",
    [
        {"a": "${a}"},
        {"a": "${b}", "b": "${a}"},
        {f"v{n}": f"${{v{n + 1}}}" for n in range(20)} | {"v20": "end"},
    ],
)
def test_a_circle_of_exports_ends(exports):
    with pytest.raises(Unfilled) as problem:
        resolved_exports(exports, {})

    assert "variables_in_a_circle" == problem.value.code


def test_a_text_that_grows_beyond_measure_is_refused():
    exports = {f"v{n}": f"${{v{n + 1}}}" * 8 for n in range(8)} | {"v8": "x" * 100}
    with pytest.raises(Unfilled) as problem:
        resolved_exports(exports, {})

    assert "text_too_long" == problem.value.code
