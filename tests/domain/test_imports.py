"""What cells become, and which types columns are guessed to have."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.domain.entities.records import FieldType
from backfilld.domain.imports import BadCell, Guess, converter, read_date, read_instant

UTC, TOKYO, BERLIN = ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin")


def guessed(*cells: Any, is_json: bool = False) -> FieldType | None:
    guess = Guess(UTC, is_json=is_json)
    for cell in cells:
        guess.see(cell)
    return guess.type


@pytest.mark.parametrize(
    ("cells", "type"),
    [
        (["1", "-20", "0"], "integer"),
        (["1", None, "2"], "integer"),
        (["1", "2.5"], "number"),
        (["2.5", "1e3"], "number"),
        (["true", "FALSE"], "boolean"),
        (["2024-05-01", "2024-05-01 10:00", "2024-05-01T10:00:00.5+02:00"], "date"),
        (["007"], "string"),
        (["1", "02"], "string"),
        (["+1"], "string"),
        (["12345678901234567890"], "string"),
        (["1234567890123456", "1"], "integer"),
        (["1234567890123456", "1.5"], "string"),
        (["0.1234567890123456789"], "string"),
        (["1e400"], "string"),
        (["1,5"], "string"),
        ([" 1"], "string"),
        (["yes", "no"], "string"),
        (["1", "true"], "string"),
        (["2024-02-30"], "string"),
        (["2024"], "integer"),
        (["٣"], "string"),
        ([], None),
        ([None, None], None),
    ],
)
def test_a_guess_takes_every_cell_as_it_is_written(cells: list[str | None], type: FieldType | None) -> None:
    assert type == guessed(*cells)
    assert type == guessed(*reversed(cells))


@pytest.mark.parametrize(
    ("cells", "type"),
    [
        ([1, 2], "integer"),
        ([1, 2.5], "number"),
        ([True, None], "boolean"),
        (["1", "2"], "string"),
        (["2024-05-01", "2024-05-02"], "date"),
        (["2024-05-01", ""], "string"),
        (["a", 1], None),
        ([1, True], None),
        ([[1], "a"], None),
    ],
)
def test_json_says_itself_what_it_means(cells: list[Any], type: FieldType | None) -> None:
    assert type == guessed(*cells, is_json=True)
    assert type == guessed(*reversed(cells), is_json=True)


@given(st.lists(st.text(max_size=8) | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str)))
def test_what_was_guessed_can_be_converted(cells: list[str]) -> None:
    type = guessed(*[cell or None for cell in cells])
    if type is not None:
        convert = converter(type, UTC)
        for cell in filter(None, cells):
            assert convert(cell) is not None


@pytest.mark.parametrize(
    ("type", "cell", "value"),
    [
        ("integer", "007", 7),
        ("integer", " +5 ", 5),
        ("integer", 3.0, 3),
        ("integer", "", None),
        ("number", "1", 1),
        ("number", "1.50", 1.5),
        ("number", ".5", 0.5),
        ("number", "12345678901234567890", 12345678901234567890.0),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("boolean", 1, True),
        ("string", "007", "007"),
        ("string", 7, "7"),
        ("string", True, "true"),
        ("string", "", ""),
        ("date", "2024-05-01", "2024-05-01"),
        ("date", "", None),
        ("date", None, None),
    ],
)
def test_a_cell_becomes_what_its_column_is_said_to_be(type: FieldType, cell: Any, value: Any) -> None:
    found = converter(type, UTC)(cell)

    assert (value, value.__class__) == (found, found.__class__)


@pytest.mark.parametrize(
    ("type", "cell"),
    [
        ("integer", "1.5"),
        ("integer", 1.5),
        ("integer", True),
        ("integer", "9223372036854775808"),
        ("integer", "1" * 31),
        ("number", "one"),
        ("number", "1e999"),
        ("number", "NaN"),
        ("number", "1,5"),
        ("boolean", "maybe"),
        ("boolean", 2),
        ("string", [1]),
        ("date", "01.05.2024"),
        ("date", "2024-13-01"),
        ("date", "2024-05-01T25:00"),
        ("date", "0001-02-30T00:00"),
        ("date", "9999-12-32"),
        ("date", 1714557600),
    ],
)
def test_a_cell_of_another_type_is_told(type: FieldType, cell: Any) -> None:
    with pytest.raises(BadCell, match=r"is not|is neither|has more"):
        converter(type, UTC)(cell)


@pytest.mark.parametrize(
    ("cell", "zone", "value"),
    [
        ("2024-05-01T10:00:00Z", TOKYO, "2024-05-01T10:00:00Z"),
        ("2024-05-01T10:00:00+02:00", TOKYO, "2024-05-01T08:00:00Z"),
        ("2024-05-01 10:00:00+00", TOKYO, "2024-05-01T10:00:00Z"),
        ("2024-05-01 10:00:00 UTC", TOKYO, "2024-05-01T10:00:00Z"),
        ("2024-05-01 10:00:00-0330", TOKYO, "2024-05-01T13:30:00Z"),
        ("2024-05-01 10:00", TOKYO, "2024-05-01T01:00:00Z"),
        ("2024-05-01T10:00:00.25", UTC, "2024-05-01T10:00:00.250000Z"),
        ("2024-05-01T10:00:00.1234567", UTC, "2024-05-01T10:00:00.123456Z"),
        ("2024-10-27 02:30", BERLIN, "2024-10-27T00:30:00Z"),  # the first of two
        ("2024-03-31 02:30", BERLIN, "2024-03-31T01:30:00Z"),  # skipped: read with the offset before
    ],
)
def test_instants_come_out_in_utc(cell: str, zone: ZoneInfo, value: str) -> None:
    assert value == converter("date", zone)(cell) == read_instant(cell, zone).value


def test_a_day_stays_a_day_unless_an_instant_is_needed() -> None:
    assert "2024-05-01" == converter("date", TOKYO)("2024-05-01")
    assert "2024-04-30T15:00:00Z" == read_instant("2024-05-01", TOKYO).value


@pytest.mark.parametrize("zone", [UTC, TOKYO, BERLIN, ZoneInfo("America/New_York")])
@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0001-01-01", "1000-01-01"),
        ("0001-01-01T00:00:00", "1000-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "1000-01-01T00:00:00Z"),
        ("0001-01-01T00:00+10:00", "1000-01-01T00:00:00Z"),
        ("0000-00-00 00:00:00", "1000-01-01T00:00:00Z"),
        ("0999-12-31", "1000-01-01"),
        ("9999-12-31", "9000-12-31"),
        ("9999-12-31T23:59:59.9999999", "9000-12-31T00:00:00Z"),
        ("9001-01-01", "9000-12-31"),
        ("1000-01-01T00:30:00+01:00", "1000-01-01T00:00:00Z"),
        ("9000-12-31T23:30:00-01:00", "9000-12-31T00:00:00Z"),
    ],
)
def test_dates_beyond_the_years_that_are_kept_are_clamped_and_told(zone: ZoneInfo, cell: str, value: str) -> None:
    read = read_date(cell, zone)

    assert (value, True) == (read.value, read.clamped)
    assert (f"{value[:10]}T00:00:00Z", True) == read_instant(cell, zone)[:2]
    assert "date" == guessed("2025-06-01T10:00:00", cell)


@pytest.mark.parametrize("cell", ["1000-01-01", "9000-12-31", "1753-01-01T00:00:00Z", "1899-12-30"])
def test_dates_at_the_edge_stay_as_they_are(cell: str) -> None:
    assert (cell, False) == read_date(cell, UTC)[:2]
