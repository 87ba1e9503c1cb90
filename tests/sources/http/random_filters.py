"""Random filters over fields of known types, and random records that hold such fields."""

from typing import Any

from hypothesis import strategies as st

KNOWN = {
    "id": "integer",
    "title": "string",
    "status": "integer",
    "estimatedHours": "number",
    "createDate": "date",
    "isActive": "boolean",
    "udf.Region": "string",
    "udf.Seats": "integer",
}
TEXTS = st.sampled_from(["", "a", "A", "ab", "AB b", "straße", "STRASSE", "%", 'x"y', "north"])
WHOLE = st.integers(-3, 6)
DECIMALS = st.sampled_from([-1.5, 0.25, 1.5, 2.0, 3.75])
DATES = st.sampled_from(
    ["2027-02-27", "2027-02-28", "2027-03-01T00:00:00Z", "2027-02-28T23:30:00.500Z", "2027-03-01T11:00:00+02:00"]
)
VALUES = {
    "string": TEXTS,
    "integer": WHOLE,
    "number": st.one_of(WHOLE, DECIMALS),
    "date": DATES,
    "boolean": st.booleans(),
}
OPERATORS = {
    "string": ["=", "!=", "in", "notIn", "contains", "doesNotContain", "beginsWith", "endsWith", "<", ">="],
    "integer": ["=", "!=", "in", "notIn", "<", "<=", ">", ">=", "between", "notBetween"],
    "number": ["=", "!=", "in", "notIn", "<", "<=", ">", ">=", "between"],
    "date": ["=", "<", "<=", ">", ">=", "between"],
    "boolean": ["=", "!=", "in"],
}
ANY = ["null", "notNull", "isEmpty", "isNotEmpty"]


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from([*KNOWN, "unknown"]))
    kind = KNOWN.get(field, "string")
    operator = draw(st.sampled_from(OPERATORS[kind] + ANY))
    rule: dict[str, Any] = {"field": field, "operator": operator}
    if operator in ANY:
        return rule
    if operator in ("in", "notIn"):
        rule["value"] = draw(st.lists(VALUES[kind], min_size=1, max_size=3, unique_by=repr))
    elif operator in ("between", "notBetween"):
        rule["value"] = sorted(
            draw(st.lists(VALUES[kind], min_size=2, max_size=2)),
            key=lambda value: (str(value)[:10], value) if kind == "date" else value,
        )
    else:
        rule["value"] = draw(VALUES[kind])
    if kind == "string" and draw(st.booleans()):
        rule["case_sensitive"] = False
    return rule


def filters() -> st.SearchStrategy[dict[str, Any]]:
    """A group of rules and groups."""

    def group(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.fixed_dictionaries(
            {"combinator": st.sampled_from(["and", "or"]), "rules": st.lists(inner, min_size=1, max_size=3)},
            optional={"not": st.booleans()},
        )

    return group(st.recursive(rules(), group, max_leaves=6))


def records() -> st.SearchStrategy[dict[str, Any]]:
    """As an API gives them; nulls anywhere but in the id."""
    plain = {
        name: st.one_of(st.none(), VALUES[kind])
        for name, kind in KNOWN.items()
        if not name.startswith("udf.") and name != "id"
    }
    udf = st.fixed_dictionaries({"Region": st.one_of(st.none(), TEXTS), "Seats": st.one_of(st.none(), WHOLE)})
    return st.fixed_dictionaries({"id": WHOLE, **plain, "udf": udf})
