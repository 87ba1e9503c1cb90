"""Labels of pick lists where the system keeps numbers: whoever types one means its number."""

from collections.abc import Mapping
from typing import Any

from backfilld.web.fields.filter_fields import GroupRow, RuleRow, group_of
from backfilld.web.fields.values import typed, written

Labels = Mapping[str, Mapping[Any, str]]


def with_numbers(fields: Mapping[str, str], labels: Labels) -> dict[str, str]:
    """The fields of the form with numbers in place of labels, in whatever case these are typed."""
    numbered = dict(fields)
    if labels:
        _take(group_of(fields), labels, numbered)
    return numbered


def _take(row: GroupRow | RuleRow, labels: Labels, numbered: dict[str, str]) -> None:
    if isinstance(row, GroupRow):
        for inner in row.rows:
            _take(inner, labels, numbered)
        return
    values = {label.casefold(): value for value, label in labels.get(row.field, {}).items()}
    if not values or not row.takes_value:
        return
    given = typed(row.value, row.operator)
    wanted = [_number(one, values) for one in given] if isinstance(given, list) else _number(given, values)
    if wanted != given and (text := written(wanted, row.operator)) is not None:
        numbered[f"{row.at}.value"] = text


def _number(value: Any, values: Mapping[str, Any]) -> Any:
    return values.get(value.casefold(), value) if isinstance(value, str) else value
