"""What hypothesis draws for the tests of filters: specs as users send them, and records as JSON text.

Both draw from the same small pools of awkward values, so that they meet often.
"""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.support.examples import examples

from backfilld.domain.filters import Tree, read_filter, resolve
from backfilld.domain.filters.operators import OPERATORS, Takes, positive

NOW = datetime(2025, 3, 30, 12, 30, 15, 250_000, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe", "Pacific/Kiritimati"]

# Letters that casefold() changes in number or moves into ASCII, order beyond 16 bits, LIKE's own characters.
TEXTS = ["", "a", "A", "ab", "aB", "b", "ß", "SS", "ss", "ſ", "K", "k", "İ", "é", "e\u0301", "\uffff", "😀", "%", "_"]
TEXTS += ["1", "10", "9", "01", "true", "null", "nowhere", "a\\b", "a'b", 'a"b', "$1", "a\nb", "[]", "{}"]
DATES = [
    "2025-03-30T12:30:15Z", "2025-03-30t12:30:15z", "2025-03-30 12:30:15Z", "2025-03-30T12:30:15.25Z",
    "2025-03-30T12:30:15.250000Z", "2025-03-30T12:30:15.2500009Z", "2025-03-30T12:30:15.2499999999Z",
    "2025-03-30T14:30:15.250+02:00", "2025-03-30T01:00:00Z", "2025-03-29T23:00:00+00:00", "2025-03-29T23:00:00-00:00",
    "2025-03-30T00:59:59.999999Z", "2024-02-29T00:00:00Z", "2000-02-29T23:59:59-15:59", "2011-12-30T10:00:00Z",
    "2018-11-04T03:00:00Z", "0001-01-01T00:00:00+15:59", "0001-01-02T00:00:00Z", "9999-12-31T23:59:59.999999-15:59",
    "9999-12-31T23:59:59Z", "2025-03-30", "2025-03-31", "2025-03-29", "2024-02-29", "2011-12-29", "2011-12-30",
    "2011-12-31", "2018-11-04", "0001-01-01", "0001-01-02", "9999-12-30", "9999-12-31",
]  # fmt: skip
NO_DATES = [
    "2025-02-29", "1900-02-29", "2025-04-31", "2025-13-01", "2025-00-01", "2025-01-00", "0000-01-01", "2025-3-30",
    "2025-03-30T12:30:15", "2025-03-30T12:30Z", "2025-03-30T24:00:00Z", "2025-03-30T12:60:00Z", "2025-03-30T23:59:60Z",
    "2025-03-30T12:30:15+16:00", "2025-03-30T12:30:15+0200", "2025-03-30T12:30:15.Z", "2025-03-30T12:30:15,5Z",
    "2025-03-30T12:30:15Z ", "2025-03-30\n", "2025-03-30T12:30:15Z\n", "20250330T123015Z", "2025-W13-7",
    "2025-02-30T00:00:00Z", "0000-02-29T00:00:00Z", "٢٠٢٥-03-30", "+2025-03-30", "2025-03-30  12:30:15Z", "infinity",
    "now", "epoch", "today",
]  # fmt: skip
NUMBERS: list[float] = [0, 1, -1, 2, 10, 9, 1.0, -0.0, 0.5, 0.1, 0.1 + 0.2, 1.5, 5e-324, 1e-300, 4503599627370497.5]
NUMBERS += [2**53 - 1, 2**53, 2**53 + 1, 2.0**53, -(2**53) - 1, 2**63 - 1, 2**62 + 1, 9.2e18, 1 - 2**63]
# As they may stand in a document; some are read into a neighbour, into zero or into infinity.
RAW_NUMBERS = [
    "0.1000000000000000055511151231257827", "0.10000000000000001", "0.09999999999999999", "1.00000000000000000001",
    "1.0000000000000001110223024625156540", "1.0000000000000001110223024625156541",
    "0.99999999999999994448884876874217", "9007199254740992.0", "9007199254740993.0", "9007199254740993",
    "9007199254740994.0", "9007199254740991.5", "1e400", "-1e400", "1e-400", "-1e-400", "2.47e-324", "2.48e-324",
    "1e308", "18446744073709551616", "-9223372036854775809", "9223372036854775807.0", "9223372036854775808",
    "10e-1", "1E2", "-0",
]  # fmt: skip

# Trees take a while to draw, more so on a busy machine; that is no fault of what is tested.
relaxed = settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

FIELDS = ["a", "b", "n.x", "n.x.y", "a\\.b", "list"]


def records() -> st.SearchStrategy[str]:
    """Records as JSON text, storable as jsonb."""
    scalar = st.one_of(
        st.sampled_from([json.dumps(value) for value in (*TEXTS, *DATES, *NO_DATES, *NUMBERS, True, False, None)]),
        st.sampled_from(RAW_NUMBERS),
    )
    value = st.one_of(scalar, st.lists(scalar, max_size=3).map(_array), st.just("{}"), st.just('[["a"], {"a": 1}]'))
    inner = st.fixed_dictionaries(
        {}, optional={"x": st.one_of(value, st.builds('{{"y": {}}}'.format, scalar)), "0": value}
    )
    nested = st.one_of(inner.map(_object), value)
    fields = {"a": value, "b": value, "n": nested, "a.b": value, "list": st.lists(scalar, max_size=4).map(_array)}
    return st.fixed_dictionaries({}, optional=fields).map(_object)


def _array(parts: list[str]) -> str:
    return f"[{', '.join(parts)}]"


def _object(parts: dict[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {part}" for key, part in parts.items()) + "}"


def values(operator: str) -> st.SearchStrategy[Any]:
    """Values that an operator takes; the two of a pair may be the wrong way round."""
    texts = st.one_of(
        st.sampled_from(TEXTS), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
    )
    dates = st.sampled_from([*DATES, "now", "now-1d/d", "now-1M", "now/h", "now+1y"])
    numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(-10, 10), st.floats(-1e18, 1e18))
    scalar = st.one_of(texts, st.sampled_from(DATES), numbers, st.booleans())
    match OPERATORS[operator].takes:
        case Takes.SCALAR:
            return scalar
        case Takes.ORDERED:
            return st.one_of(texts, dates, numbers)
        case Takes.PAIR:
            return st.one_of(*(st.lists(kind, min_size=2, max_size=2) for kind in (texts, dates, numbers)))
        case Takes.LIST:
            return st.lists(scalar, min_size=1, max_size=4)
        case Takes.TEXT:
            return texts
    return st.none()


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """Rules in canonical form. Not all of them survive `resolve` (dates at the end of the calendar, reversed ends)."""
    operator = draw(st.sampled_from(sorted(OPERATORS)))
    rule = {"field": draw(st.sampled_from(FIELDS)), "operator": operator, "value": draw(values(operator))}
    if draw(st.booleans()):
        rule["case_sensitive"] = draw(st.booleans())
    if positive(operator)[0] in ("=", "in") and draw(st.booleans()):
        dates = st.sampled_from(DATES)
        rule |= {
            "as": "date",
            "value": draw(dates if operator in ("=", "!=") else st.lists(dates, min_size=1, max_size=3)),
        }
    return rule


def groups() -> st.SearchStrategy[dict[str, Any]]:
    """Groups in canonical form, up to three deep."""
    group = st.lists(rules(), min_size=1, max_size=3).flatmap(_group_of)
    for _ in range(2):
        group = st.lists(st.one_of(rules(), group), min_size=1, max_size=3).flatmap(_group_of)
    return group


def _group_of(nodes: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(dict, combinator=st.sampled_from(["and", "or"]), rules=st.just(nodes)).flatmap(
        lambda group: st.booleans().map(lambda negated: group | {"not": negated})
    )


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Resolved trees; those that cannot be resolved are drawn again."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    resolved = groups().map(lambda spec: tree_of(spec, zone=zone)).filter(lambda tree: tree is not None)
    tree = draw(resolved)
    assert tree is not None
    return tree


def tree_of(spec: object, *, zone: ZoneInfo = BERLIN) -> Tree | None:
    """The resolved tree of a spec, or None if it has a fault."""
    read = read_filter(spec, "")
    if read.tree is None:
        return None
    resolved = resolve(read.tree, now=NOW, zone=zone, known_fields={})
    return None if resolved.faults else resolved.tree
