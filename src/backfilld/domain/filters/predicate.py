"""What a filter means: a function from a record's attributes to yes or no. Other back ends follow this one.

Two-valued throughout: a missing field is a null, and a negative operator answers the opposite of its positive
one. Nothing is coerced: a value of another type makes the positive operator false. Booleans are not numbers.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from backfilld.domain.filters.dates import Form, form_of, is_date, parse_timestamp
from backfilld.domain.filters.kinds import mismatch_tests
from backfilld.domain.filters.operators import ORDERING, positive
from backfilld.domain.filters.paths import getter
from backfilld.domain.filters.spans import DateSpan, date_span
from backfilld.domain.filters.tree import Group, MatchAll, Moment, Node, Rule, Scalar, Tree

Record = Mapping[str, Any]
Predicate = Callable[[Record], bool]
Test = Callable[[Any], bool]


def compile_predicate(tree: Tree, mismatches: Counter[str] | None = None) -> Predicate:
    """The predicate of a resolved tree. Never raises on any JSON.

    With `mismatches` it also counts, per field (as spelled), the records whose value has a type that some
    rule on that field cannot compare with.
    """
    if isinstance(tree, MatchAll):
        return lambda record: True
    matches = _node(tree)
    return matches if mismatches is None else _counting(tree, matches, mismatches)


def forgiving(matches: Predicate, *, otherwise: bool) -> Predicate:
    """The same, which answers `otherwise` where it should have and failed: that is for whoever plans to tell."""

    def safe(record: Record) -> bool:
        try:
            return matches(record)
        except Exception:
            return otherwise

    return safe


def _counting(tree: Group, matches: Predicate, mismatches: Counter[str]) -> Predicate:
    tests = mismatch_tests(tree)

    def counting(record: Record) -> bool:
        mismatches.update({test.field for test in tests if test.mismatches(test.get(record))})
        return matches(record)

    return counting


def _node(node: Node) -> Predicate:
    if isinstance(node, Rule):
        return _rule(node)
    parts = tuple(_node(part) for part in node.rules)
    return _every(parts, node.negated) if node.combinator == "and" else _some(parts, node.negated)


def _every(parts: tuple[Predicate, ...], negated: bool) -> Predicate:
    def every(record: Record) -> bool:
        for part in parts:  # `all` over a generator takes twice as long
            if not part(record):
                return negated
        return not negated

    return every


def _some(parts: tuple[Predicate, ...], negated: bool) -> Predicate:
    def some(record: Record) -> bool:
        for part in parts:  # as above
            if part(record):
                return not negated
        return negated

    return some


def _rule(rule: Rule) -> Predicate:
    operator, negated = positive(rule.operator)
    test, get = _test(operator, rule), getter(rule.field)
    if negated:
        return lambda record: not test(get(record))
    return lambda record: test(get(record))


def _test(operator: str, rule: Rule) -> Test:
    """The meaning of a positive operator on the value of a field."""
    match operator:
        case "null":
            return lambda value: value is None
        case "isEmpty":
            return lambda value: value is None or value in ("", [], {})
        case "=" | "in":
            return _one_of(rule.values, rule.case_sensitive)
        case "contains":
            return _contains(rule)
        case "beginsWith":
            return _text(str.startswith, rule)
        case "endsWith":
            return _text(str.endswith, rule)
    return _ordered(operator, rule)


def _one_of(values: tuple[Scalar, ...], case_sensitive: bool) -> Test:
    if any(isinstance(value, Moment) for value in values):
        return _one_of_dates(values)
    texts = frozenset(value for value in values if isinstance(value, str))
    booleans = frozenset(value for value in values if isinstance(value, bool))
    numbers = frozenset(v for v in values if isinstance(v, int | float) and not isinstance(v, bool))
    nothing = frozenset[Any]()
    # by exact type: True is not 1, while 1 and 1.0 are one number; lists and objects are equal to nothing
    wanted: dict[type, frozenset[Any]] = {str: texts, int: numbers, float: numbers, bool: booleans}
    if case_sensitive:
        return lambda value: bool(found := wanted.get(type(value), nothing)) and value in found
    wanted[str] = frozenset(text.casefold() for text in texts)

    def one_of(value: Any) -> bool:
        found = wanted.get(type(value), nothing)
        return bool(found) and (value.casefold() if type(value) is str else value) in found

    return one_of


def _one_of_dates(values: tuple[Scalar, ...]) -> Test:
    spans = [date_span("=", (value,)) for value in values if isinstance(value, Moment)]
    instants = frozenset(span.first for span in spans)
    days = frozenset(day for span in spans for day in span.days())

    def one_of(value: Any) -> bool:
        return type(value) is str and (value in days or parse_timestamp(value) in instants)

    return one_of


def _contains(rule: Rule) -> Test:
    needle, case_sensitive = rule.value, rule.case_sensitive
    is_element = _one_of(rule.values, case_sensitive)
    if not isinstance(needle, str):
        return lambda value: type(value) is list and any(map(is_element, value))
    within = _text(lambda text, part: part in text, rule)
    return lambda value: any(map(is_element, value)) if type(value) is list else within(value)


def _text(matches: Callable[[str, str], bool], rule: Rule) -> Test:
    wanted = str(rule.value)
    if rule.case_sensitive:
        return lambda value: type(value) is str and matches(value, wanted)
    folded = wanted.casefold()
    return lambda value: type(value) is str and matches(value.casefold(), folded)


def _ordered(operator: str, rule: Rule) -> Test:
    values = rule.values
    if any(isinstance(value, str) and operator in ORDERING and form_of(value) is not Form.PLAIN for value in values):
        raise ValueError(f"the dates of field `{rule.spelled}` are not resolved")
    moments = tuple(value for value in values if isinstance(value, Moment))
    if moments:
        return _within(date_span(operator, moments))
    if isinstance(values[0], str):
        return _ordered_text(operator, rule)
    in_order = _comparison(operator, values)
    return lambda value: (type(value) is int or type(value) is float) and in_order(value)


def _ordered_text(operator: str, rule: Rule) -> Test:
    if rule.case_sensitive:
        in_order = _comparison(operator, rule.values)
        return lambda value: type(value) is str and in_order(value)
    in_order = _comparison(operator, tuple(str(value).casefold() for value in rule.values))
    return lambda value: type(value) is str and in_order(value.casefold())


def _comparison(operator: str, values: tuple[Any, ...]) -> Test:
    wanted = values[0]
    match operator:
        case "<":
            return lambda value: bool(value < wanted)
        case "<=":
            return lambda value: bool(value <= wanted)
        case ">":
            return lambda value: bool(value > wanted)
        case ">=":
            return lambda value: bool(value >= wanted)
    upper = values[1]
    return lambda value: bool(wanted <= value <= upper)


def _within(span: DateSpan) -> Test:
    first, until, first_day, until_day = span.first, span.until, span.first_day, span.until_day

    def within(value: Any) -> bool:
        if type(value) is not str:
            return False
        at = parse_timestamp(value)
        if at is not None:
            return (first is None or at >= first) and (until is None or at < until)
        return is_date(value) and first_day <= value < until_day

    return within
