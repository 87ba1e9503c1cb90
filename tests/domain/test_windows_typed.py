"""Windows as one types them on a command line."""

import pytest

from backfilld.domain.errors import Invalid
from backfilld.domain.windows.specs import parse_command_line, windows_from_specs
from backfilld.domain.windows.weekly import WEEKDAYS

WORKING, WEEKEND = list(WEEKDAYS[:5]), list(WEEKDAYS[5:])


@pytest.mark.parametrize(
    ("days", "meant"),
    [
        ("mon", ["monday"]),
        ("monday", ["monday"]),
        ("MON", ["monday"]),
        ("mon-fri", WORKING),
        ("monday-friday", WORKING),
        ("mon–fri", WORKING),
        ("mon - fri", WORKING),
        ("weekdays", WORKING),
        ("weekends", WEEKEND),
        ("sat,sun", WEEKEND),
        ("sun, sat", WEEKEND),
        ("fri-mon", ["monday", "friday", "saturday", "sunday"]),
        ("sun-sun", ["sunday"]),
        ("daily", list(WEEKDAYS)),
        ("mon,wed-thu", ["monday", "wednesday", "thursday"]),
        ("weekends,mon", ["monday", *WEEKEND]),
    ],
)
def test_days_are_named_listed_and_ranged(days, meant):
    night = {"run_start_time": "22:00", "run_end_time": "06:00"}

    assert {day: [night] for day in meant} == parse_command_line(f"{days} 22:00-06:00")


def test_several_times_stand_in_a_list():
    times = [
        {"run_start_time": "09:00", "run_end_time": "12:00"},
        {"run_start_time": "13:00:30", "run_end_time": "24:00"},
    ]

    assert {"tuesday": times} == parse_command_line("  tue   09:00-12:00, 13:00:30-24:00 ")


def test_several_specs_add_up_in_the_order_of_the_week():
    windows = windows_from_specs(["weekends 00:00-24:00", "sun-mon 20:00-23:00"])

    assert ["monday", "saturday", "sunday"] == list(windows)
    assert ["00:00", "20:00"] == [entry["run_start_time"] for entry in windows["sunday"]]


def test_no_spec_is_no_window():
    assert {} == windows_from_specs([])


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("", "is empty"),
        ("mon", "names no times"),
        ("22:00-06:00", "names no times"),
        ("mondy 22:00-06:00", "did you mean 'monday'"),
        ("weekday 22:00-06:00", "did you mean 'weekdays'"),
        ("mon 22-6", "'22' is not a time of day"),
        ("mon 9:00-17:00", "two digits"),
        ("mon 25:00-26:00", "'25:00' is not a time of day"),
        ("mon 22:00", "'22:00' is not START-END"),
        ("mon 10:00-10:00", "00:00 to 24:00"),
        ("mon-tue-wed 10:00-11:00", "is not a day"),
        ("mon 10:00-11:00 12:00-13:00", "is not a time of day"),
        ("mon " + "10:00-11:00," * 1000, "is too long"),
    ],
)
def test_a_bad_spec_is_told_what_was_expected(spec, told):
    with pytest.raises(Invalid) as refused:
        parse_command_line(spec)

    assert told in refused.value.message
    assert "mon-fri 22:00-06:00" in refused.value.message
    assert len(refused.value.message) < 600


def test_all_bad_specs_are_told_at_once():
    with pytest.raises(Invalid) as refused:
        windows_from_specs(["mon 1:00-2:00", "tue 01:00-02:00", "wen 01:00-02:00"])

    assert ["/0", "/2"] == [fault.path for fault in refused.value.faults]
