"""Labels of pick lists in the filter builder."""

import pytest

from backfilld.web.pages.new_backfill.labels import with_numbers

LABELS = {"status": {1: "New", 5: "Complete", 8: "Waiting, customer"}}


@pytest.mark.parametrize(
    ("field", "operator", "typed", "expected"),
    [
        ("status", "=", "New", "1"),
        ("status", "!=", "complete", "5"),
        ("status", "=", "1", "1"),
        ("status", "=", "Waiting, customer", "8"),
        ("status", "in", 'New, 5, "Waiting, customer"', "1, 5, 8"),
        ("status", "in", "New, Gone", "1, Gone"),
        ("status", "=", "Gone", "Gone"),
        ("status", "null", "New", "New"),
        ("title", "=", "New", "New"),
    ],
)
def test_a_label_becomes_its_number(field: str, operator: str, typed: str, expected: str) -> None:
    inner = {"f.0.c": "or", "f.0.0.field": field, "f.0.0.op": operator, "f.0.0.value": typed}
    found = with_numbers({"f.c": "and", **inner, "name": "x"}, LABELS)

    assert expected == found["f.0.0.value"]
    assert "x" == found["name"]
