"""Relative dates, local midnights and known types: what a filter means for good."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.filters.filter_strategies import ZONES, groups, records, relaxed, trees

from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters import (
    MatchAll,
    Resolved,
    Tree,
    compile_predicate,
    from_json,
    read_filter,
    resolve,
    to_json,
)
from backfilld.domain.filters.dates import first_day_from, local_midnight, spell_instant

NEW_YORK = ZoneInfo("America/New_York")
DAY = timedelta(days=1)


def resolved(
    value: Any, operator: str = ">=", *, now: str = "2027-03-14T16:30:45.5Z", zone: str = "UTC", **known: FieldType
) -> Resolved:
    """One rule on the field `f`, resolved."""
    read = read_filter({"combinator": "and", "rules": [{"field": "f", "operator": operator, "value": value}]}, "")
    assert read.tree is not None
    at = datetime.fromisoformat(now)
    return resolve(read.tree, now=at, zone=ZoneInfo(zone), known_fields=known)


def value_of(outcome: Resolved) -> Any:
    assert [] == outcome.faults
    return to_json(outcome.tree)["rules"][0]["value"]


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("now", "UTC", "2027-03-14T16:30:45.500000Z"),
        ("now/s", "UTC", "2027-03-14T16:30:45Z"),
        ("now-90m", "UTC", "2027-03-14T15:00:45.500000Z"),
        ("now/d", "UTC", "2027-03-14T00:00:00Z"),
        ("now/w", "UTC", "2027-03-08T00:00:00Z"),  # the 14th is a Sunday
        ("now-1M/M", "UTC", "2027-02-01T00:00:00Z"),
        ("now/y-1d", "UTC", "2026-12-31T00:00:00Z"),
        ("now+2w/m", "UTC", "2027-03-28T16:30:00Z"),
        # New York went from 02:00 to 03:00 that morning
        ("now/d", "America/New_York", "2027-03-14T05:00:00Z"),
        ("now+1d/d", "America/New_York", "2027-03-15T04:00:00Z"),
        ("now-1d", "America/New_York", "2027-03-13T17:30:45.500000Z"),  # 12:30 as well, 23 hours ago
        ("now-24h", "America/New_York", "2027-03-13T16:30:45.500000Z"),
        ("now/d+150m", "America/New_York", "2027-03-14T07:30:00Z"),
        ("now-1d/d+1d", "America/New_York", "2027-03-14T05:00:00Z"),
        ("now/d+2h-1d", "America/New_York", "2027-03-13T08:00:00Z"),  # 03:00, then 03:00 of the day before
        ("now/h", "Asia/Kathmandu", "2027-03-14T16:15:00Z"),  # 22:00 at +05:45
        ("2027-03-14", "America/New_York", "2027-03-14T05:00:00Z"),
        ("2027-03-15", "America/New_York", "2027-03-15T04:00:00Z"),
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),  # a day without a midnight
        ("2027-03-14T00:00:00+02:00", "America/New_York", "2027-03-13T22:00:00Z"),
    ],
)
def test_dates_become_instants_in_the_zone(text: str, zone: str, expected: str) -> None:
    assert expected == value_of(resolved(text, zone=zone))


@pytest.mark.parametrize(
    ("now", "text", "expected"),
    [
        ("2027-03-31T12:00:00Z", "now-1M", "2027-02-28T12:00:00Z"),
        ("2028-03-31T12:00:00Z", "now-1M", "2028-02-29T12:00:00Z"),
        ("2028-02-29T12:00:00Z", "now-1y", "2027-02-28T12:00:00Z"),
        ("2027-01-31T12:00:00Z", "now-2M", "2026-11-30T12:00:00Z"),
        ("2027-01-31T12:00:00Z", "now+1M+1M", "2027-03-28T12:00:00Z"),
        ("2027-12-31T12:00:00Z", "now/M", "2027-12-01T00:00:00Z"),
    ],
)
def test_months_that_are_too_short_give_their_last_day(now: str, text: str, expected: str) -> None:
    assert expected == value_of(resolved(text, now=now))


def test_a_skipped_local_time_moves_behind_the_gap() -> None:
    assert "2027-03-14T07:30:00Z" == (
        value_of(resolved("now-1d", now="2027-03-15T06:30:00Z", zone="America/New_York"))  # 02:30, which was skipped
    )


@pytest.mark.parametrize(
    "value", ["now-9999y", "now+999999999y", "now-999999999d", "now+9999999M", "now-1100y", "0999-12-31", "9001-01-01"]
)  # fmt: skip
def test_a_date_outside_the_calendar_is_a_fault(value: str) -> None:
    assert [("/rules/0/value", "date_out_of_range")] == [(f.path, f.code) for f in resolved(value).faults]


def test_the_first_and_last_dates_do_not_overflow() -> None:
    assert "1000-01-01T00:00:00Z" == value_of(resolved("1000-01-01"))
    assert "9000-12-31T00:00:00Z" == value_of(resolved("9000-12-31"))
    assert [] == resolved("1000-01-01", zone="Asia/Tokyo").faults
    assert ["date_out_of_range"] == [fault.code for fault in resolved("9001-01-01", zone="Asia/Tokyo").faults]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"])
def test_a_filter_that_an_earlier_version_stored_is_read_whatever_its_years(at: str) -> None:
    stored = {"combinator": "and", "not": False, "rules": [{"field": "f", "operator": ">", "value": at}]}

    assert at == to_json(from_json(stored))["rules"][0]["value"]


def test_ends_are_compared_after_they_are_resolved() -> None:
    assert ["bounds_reversed"] == [fault.code for fault in resolved(["now", "now-1d"], "between").faults]
    assert ["bounds_reversed"] == [fault.code for fault in resolved(["10", "9"], "between", f="integer").faults]
    assert [2, 10] == value_of(resolved(["2", "10"], "between", f="integer"))


@pytest.mark.parametrize(
    ("known", "operator", "value", "expected"),
    [
        ("number", "=", "5", 5),
        ("number", "<", "5.50", 5.5),
        ("integer", "in", ["1", 2, "-3"], [1, 2, -3]),
        ("number", "=", "1e3", 1000.0),
        ("boolean", "=", "true", True),
        ("boolean", "notIn", ["false", True], [False, True]),
        ("string", "=", 5, "5"),
        ("string", "in", [5, "x"], ["5", "x"]),
        ("string", "contains", 5, "5"),
        ("string", "<", "2027-01-01", "2027-01-01T00:00:00Z"),
        ("date", "=", "2027-01-01", "2027-01-01T00:00:00Z"),
        ("date", "in", ["now/y"], ["2027-01-01T00:00:00Z"]),
        ("date", "beginsWith", "2027-", "2027-"),
    ],
)
def test_a_known_type_lends_itself_to_the_value(known: FieldType, operator: str, value: Any, expected: Any) -> None:
    outcome = value_of(resolved(value, operator, f=known))

    assert expected == outcome
    assert type(expected) is type(outcome)


@pytest.mark.parametrize(
    ("known", "operator", "value", "code"),
    [
        ("number", "=", "five", "type_mismatch"),
        ("number", "=", "٥", "type_mismatch"),
        ("number", "=", " 5", "type_mismatch"),
        ("number", "=", True, "type_mismatch"),
        ("number", "=", "99999999999999999999", "number_out_of_range"),
        ("integer", "beginsWith", "5", "type_mismatch"),
        ("integer", "contains", 5, "type_mismatch"),
        ("boolean", "=", "yes", "type_mismatch"),
        ("boolean", "=", 1, "type_mismatch"),
        ("boolean", "<", "true", "type_mismatch"),
        ("string", "=", True, "type_mismatch"),
        ("string", "<", 5, "type_mismatch"),
        ("date", "=", 5, "type_mismatch"),
        ("date", "=", "soon", "invalid_date"),
        ("date", "<", "soon", "invalid_date"),
        ("date", "=", "2027-01-01T00:00:00", "naive_datetime"),
    ],
)
def test_a_value_that_cannot_be_of_the_known_type_is_a_fault(
    known: FieldType, operator: str, value: Any, code: str
) -> None:
    assert [("/rules/0/value", code)] == [
        (fault.path, fault.code) for fault in resolved(value, operator, f=known).faults
    ]


def test_faults_point_at_the_element() -> None:
    read = read_filter({"f": ["1", "x"]}, "/filter_spec")
    assert read.tree is not None
    outcome = resolve(read.tree, now=datetime(2027, 1, 1, tzinfo=UTC), zone=NEW_YORK, known_fields={"f": "integer"})

    assert ["/filter_spec/f/1"] == [fault.path for fault in outcome.faults]


def test_nothing_is_coerced_unless_the_field_is_known() -> None:
    assert "5" == value_of(resolved("5", "=", g="number"))
    assert "2027-01-01" == value_of(resolved("2027-01-01", "="))


def test_equal_dates_are_marked_so_that_they_stay_dates() -> None:
    assert {
        "combinator": "and",
        "not": False,
        "rules": [
            {
                "field": "f",
                "operator": "=",
                "value": "2027-01-01T05:00:00Z",
                "as": "date",
                "timezone": "America/New_York",
            }
        ],
    } == to_json(resolved("2027-01-01", "=", zone="America/New_York", f="date").tree)


def test_everything_is_spelled_out() -> None:
    assert {"match_all": True} == to_json(MatchAll())
    assert MatchAll() == from_json({"match_all": True})


@given(tree=trees())
@relaxed
def test_a_stored_filter_is_read_back_as_it_was(tree: Tree) -> None:
    assert tree == from_json(json.loads(json.dumps(to_json(tree))))


@given(spec=groups(), text=records(), zone=st.sampled_from(ZONES))
@relaxed
def test_a_resolved_filter_sent_again_means_the_same_elsewhere(spec: Any, text: str, zone: str) -> None:
    read = read_filter(spec, "")
    assert read.tree is not None or read.faults
    if read.tree is None:
        return
    known: dict[str, FieldType] = {"a": "date", "b": "integer"}
    first = resolve(read.tree, now=datetime(2025, 3, 30, 12, 30, tzinfo=UTC), zone=ZoneInfo(zone), known_fields=known)
    if first.faults:
        return
    again = read_filter(to_json(first.tree), "")
    assert again.tree is not None
    later = resolve(again.tree, now=datetime(2031, 1, 1, tzinfo=UTC), zone=NEW_YORK, known_fields={})
    record = json.loads(text)

    assert compile_predicate(first.tree)(record) is compile_predicate(later.tree)(record)


def test_a_filter_that_is_not_resolved_cannot_have_been_stored() -> None:
    with pytest.raises(ValueError, match="/rules/0/operator"):
        from_json({"combinator": "and", "rules": [{"field": "f", "operator": "~", "value": 1}]})


@given(
    day=st.dates(),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    shift=st.timedeltas(min_value=-DAY, max_value=DAY),
)
@relaxed
def test_the_first_day_from_an_instant_is_the_first(day: Any, zone: ZoneInfo, shift: Any) -> None:
    try:
        at = local_midnight(day, zone).astimezone(UTC) + shift
        before, after = (local_midnight(day + step, zone).astimezone(UTC) for step in (-2 * DAY, 2 * DAY))
    except OverflowError:
        return
    first = first_day_from(at, zone)

    assert before < at < after
    assert local_midnight(datetime.fromisoformat(first).date(), zone).astimezone(UTC) >= at
    assert local_midnight(datetime.fromisoformat(first).date() - DAY, zone).astimezone(UTC) < at
    assert spell_instant(at).endswith("Z")
