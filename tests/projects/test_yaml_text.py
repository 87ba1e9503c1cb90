"""YAML as digdag reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.projects.budget import Budget, NobodyWaits, Spent
from backfilld.projects.yaml_text import NotYaml, read_yaml


def value(text: str) -> object:
    return read_yaml(f"k: {text}\n").value["k"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:00:00", "10:00:00"),
        ("30:00", "30:00"),
        ("2016-01-01", "2016-01-01"),
        ("2016-01-01 00:00:00", "2016-01-01 00:00:00"),
        ("yes", "yes"), ("No", "No"), ("on", "on"), ("OFF", "OFF"), ("y", "y"),
        ("true", True), ("False", False), ("TRUE", "TRUE"),
        ("", None), ("~", None), ("null", None),
        ("7", 7), ("-7", -7), ("1_000", 1000), ("0", 0), ("010", 8), ("0x1F", 31), ("0b11", 3),
        ("08", "08"), ("09:00:00", "09:00:00"), ("1.5", 1.5), ("0.5", 0.5), ("1e3", 1000.0), (".inf", ".inf"),
        ("12345678901234567890", "12345678901234567890"),
        ("'7'", "7"), ('"true"', "true"), ("${a}", "${a}"), ("=", "="),
        ("[1, yes]", [1, "yes"]), ("{a: 1}", {"a": 1}),
    ],
)  # fmt: skip
def test_a_scalar_means_what_it_means_to_digdag(text, expected):
    found = value(text)

    assert (type(expected), expected) == (type(found), found)


def test_keys_are_texts_and_keep_their_order_and_lines():
    document = read_yaml("b: 1\n\n2: x\n+a:\n  echo>: hi\n")

    assert {"b": 1, "2": "x", "+a": {"echo>": "hi"}} == document.value
    assert ["b", "2", "+a"] == list(document.value)
    assert [1, 3, 4, 5] == [document.line(place) for place in (("b",), ("2",), ("+a",), ("+a", "echo>"))]
    assert 4 == document.line(("+a", "nothing"))


def test_a_key_that_is_given_twice_is_a_fault_with_its_line():
    assert ((3, "'a' is given twice"),) == read_yaml("a: 1\nb: 2\na: 3\n").faults


@pytest.mark.parametrize(
    "text", ["!include x.dig", "!!python/object:os.system x", "!foo {a: 1}", "!!timestamp 2016-01-01"]
)
def test_tags_are_faults(text):
    ((line, message),) = read_yaml(f"a: 1\nb: {text}\n").faults

    assert 2 == line
    assert "is not read here" in message


def test_anchors_and_merges_are_written_out():
    text = "base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\nsame: *b\n"

    assert {"base": {"x": 1, "y": 2}, "more": {"y": 3, "x": 1}, "same": {"x": 1, "y": 2}} == read_yaml(text).value


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\n b: [", 2), ("a: b: c", 1), ("", 1), ("- a", 1), ("text", 1), ("a: 1\n---\nb: 2\n", 2), ("a: \x07", 1)],
)
def test_what_is_no_mapping_is_refused_with_its_line(text, line):
    with pytest.raises(NotYaml) as problem:
        read_yaml(text)

    assert line == problem.value.line


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 9)}]\n" for n in range(9)),
        "a: " + "[" * 60 + "]" * 60,
        "a: " + "[" * 5000,
        "a: &a [*a]",
    ],
    ids=["laughs", "deep", "very deep", "circle"],
)
def test_a_document_that_grows_beyond_measure_is_refused(text):
    with pytest.raises(NotYaml):
        read_yaml(text)


@pytest.mark.parametrize("text", ['"\\0"', '"\\ud800"'])
def test_text_that_cannot_be_stored_is_a_fault(text):
    assert read_yaml(f"a: {text}\n").faults


@given(text=st.text(max_size=300) | st.text("ab:-[]{}&*!|>'\"#% \n\t", max_size=80))
def test_any_text_is_read_or_refused(text):
    lines = 2 + sum(text.count(end) for end in "\n\r\x85\u2028\u2029")
    try:
        found = read_yaml(text)
    except NotYaml as problem:
        found = problem

    assert 1 <= (found.line if isinstance(found, NotYaml) else found.line(())) <= lines


def grown_by_merges(levels: int = 10, width: int = 8, of: str = "{}") -> str:
    aliases = [", ".join([f"*a{level}"] * width) for level in range(levels)]
    return f"a0: &a0 {of}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [{them}]}}\n" for n, them in enumerate(aliases))


@pytest.mark.parametrize(
    "text",
    [
        grown_by_merges(),
        grown_by_merges(of="{x: 1, y: [2]}"),
        grown_by_merges(levels=40, width=2),
        "x: &a {<<: *a}",
        "x: &a {<<: [*a, *a]}",
        "x: &a {y: &b {<<: *a}}",
        "a: &a {" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}\nb: [" + "{<<: *a}," * 30 + "]",
        "a: [" + "1," * 20_001 + "]",
    ],
    ids=["empty", "values", "narrow", "circle", "two ways", "wide circle", "many merges", "many values"],
)  # fmt: skip
def test_what_is_merged_in_counts_as_if_it_were_written_out(text):
    with pytest.raises(NotYaml) as problem:
        read_yaml(text)

    assert "20000 values" in str(problem.value)


@pytest.mark.parametrize("digits", ["9" * 20_000, "-1" + "_0" * 10_000])
def test_a_number_that_nobody_can_mean_is_a_fault_with_its_line(digits):
    ((line, message),) = read_yaml(f"a: 1\nb: {digits}\n").faults

    assert 2 == line
    assert "digits is more than can be meant" in message


@pytest.mark.parametrize("number", ["1e" + "9" * 20_000, "1." + "5" * 20_000, "0x" + "f" * 20_000, "0b" + "1" * 20_000])
def test_other_long_numbers_are_read_or_stay_text(number):
    assert value(number) in (number, pytest.approx(float("1." + "5" * 20)))


def test_the_files_of_a_push_spend_from_one_budget():
    laughs = "a: &a [" + "1," * 999 + "]\nb: [" + "*a," * 9 + "]\n"
    budget = Budget(values=25_000)
    read_yaml(laughs, budget)
    read_yaml(laughs, budget)

    with pytest.raises(Spent):
        read_yaml(laughs, budget)


def test_reading_ends_when_nobody_waits_for_it():
    steps = iter([False] * 100)

    with pytest.raises(NobodyWaits):
        read_yaml("a: [" + "1," * 1000 + "]", Budget(lambda: next(steps, True)))
