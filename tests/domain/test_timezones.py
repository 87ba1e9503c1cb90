"""Zone names as callers write them, and clock changes as the zone files have them."""

import os
import zoneinfo
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.domain.wall_clock_oracle import SINCE, UNTIL, distinct_zones, zone_file
from tests.domain.window_strategies import zones
from tests.support.examples import examples

from backfilld.domain.errors import Fault
from backfilld.domain.windows.timezones import (
    find_zone,
    nearest_zones,
    parse_zone,
    pieces,
    tzdata_version,
)
from backfilld.domain.windows.windows_zone_table import ZONE_OF_WINDOWS_NAME
from backfilld.domain.windows.zone_hints import zone_warnings


def test_zones_come_from_the_package_alone():
    assert () == zoneinfo.TZPATH


def test_a_changed_environment_does_not_move_the_zones(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONTZPATH", os.fspath(tmp_path))

    assert find_zone("Europe/Berlin") is not None
    assert () == zoneinfo.TZPATH


def test_the_version_of_the_rules_can_be_told():
    assert tzdata_version()[:2] == "20"


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/San_Luis", "Asia/Kolkata", "Etc/GMT+5"])
def test_a_known_name_is_its_zone(name):
    zone = parse_zone(name, "/timezone")

    assert isinstance(zone, zoneinfo.ZoneInfo)
    assert name == zone.key


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("EUROPE/BERLIN", "Europe/Berlin"),
        ("utc", "UTC"),
        ("Europe/Berln", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("America/New York", "America/New_York"),
        ("US/New_York", "America/New_York"),
        ("Tokio", "Asia/Tokyo"),
        (" Asia/Tokyo ", "Asia/Tokyo"),
    ],
)
def test_a_near_miss_names_the_nearest_zone(name, meant):
    fault = parse_zone(name, "/timezone")

    assert isinstance(fault, Fault)
    assert ("/timezone", "unknown_timezone") == (fault.path, fault.code)
    assert meant == fault.allowed[0]
    assert f"did you mean '{meant}'" in fault.message


@pytest.mark.parametrize("name", ["+02:00", "-05:00", "UTC+2", "GMT-5", "Z+1", "+0900", "−03:00", "utc +02:00"])
def test_an_offset_is_not_a_zone(name):
    fault = parse_zone(name, "/timezone")

    assert isinstance(fault, Fault)
    assert "unknown_timezone" == fault.code
    assert "is an offset" in fault.message


NONSENSE = ["", " ", "/etc/passwd", "../../etc/passwd", "Europe/../Europe/Berlin", "Europe", "a\0b", "\ud800"]
NONSENSE += ["posixrules", "Europe/Berlin\n", "x" * 10_000_000]


@pytest.mark.parametrize("name", NONSENSE)
def test_paths_and_nonsense_never_reach_the_file_system(name, monkeypatch):
    def refuse(_):
        raise AssertionError("ZoneInfo was asked")

    monkeypatch.setattr("backfilld.domain.windows.timezones.ZoneInfo", refuse)
    fault = parse_zone(name, "/timezone")

    assert "unknown_timezone" == fault.code
    assert len(fault.message) < 300
    fault.message.encode()


@pytest.mark.parametrize("value", [None, 1, True, ["UTC"], {"name": "UTC"}])
def test_a_zone_is_a_string(value):
    fault = parse_zone(value, "/timezone")

    assert isinstance(fault, Fault)
    assert ("/timezone", "invalid_type") == (fault.path, fault.code)


@given(st.text(max_size=80))
@settings(max_examples=examples(50), deadline=None)
def test_any_text_gets_an_answer(name):
    assume(name not in zoneinfo.available_timezones())
    fault = parse_zone(name, "/timezone")

    assert isinstance(fault, Fault)
    assert all(find_zone(known) is not None for known in nearest_zones(name))


def test_no_two_changes_are_so_close_that_sampling_could_miss_them():
    closest = min(
        later - earlier for name in distinct_zones() for earlier, later in pairwise(zone_file(name).changes())
    )

    assert closest > 10 * 2**15


def assert_pieces_are_those_of_the_file(name: str, since: int, until: int) -> None:
    found = list(pieces(find_zone(name), since, until))
    changes = zone_file(name).changes(since, until)

    assert [since, *changes] == [piece.start for piece in found]
    assert [*changes, until] == [piece.end for piece in found]
    assert [zone_file(name).offset(piece.start) for piece in found] == [piece.offset for piece in found]


ODD = ["Africa/Casablanca", "Africa/El_Aaiun", "Antarctica/Troll", "Antarctica/Casey", "Asia/Gaza", "Pacific/Apia"]
ODD += ["Australia/Lord_Howe", "America/Argentina/San_Luis", "America/Caracas", "Asia/Pyongyang", "Africa/Juba", "UTC"]


@pytest.mark.parametrize("name", ODD)
def test_odd_zones_are_cut_where_their_file_says(name):
    assert_pieces_are_those_of_the_file(name, SINCE, UNTIL)


@given(name=zones(), since=st.integers(SINCE, UNTIL - 1), length=st.integers(1, 800 * 86_400))
@settings(max_examples=examples(40), deadline=None)
def test_any_stretch_is_cut_where_the_file_says(name, since, length):
    assert_pieces_are_those_of_the_file(name, since, min(since + length, UNTIL))


@pytest.mark.slow
def test_every_zone_is_cut_where_its_file_says():
    for name in distinct_zones():
        assert_pieces_are_those_of_the_file(name, SINCE, UNTIL)


def told(name):
    fault = parse_zone(name, "/timezone")
    assert isinstance(fault, Fault), fault
    assert "unknown_timezone" == fault.code
    return fault


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Eastern Standard Time", "America/New_York"),
        ("eastern  standard time", "America/New_York"),
        ("Eastern Daylight Time", "America/New_York"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("W. Europe Summer Time", "Europe/Berlin"),
        ("GMT Standard Time", "Europe/London"),
        ("India Standard Time", "Asia/Calcutta"),
        ("Tokyo Standard Time", "Asia/Tokyo"),
        ("Eastern Standard Time (Mexico)", "America/Cancun"),
    ],
)
def test_a_name_of_windows_is_answered_from_its_table(name, meant):
    assert (meant,) == told(name).allowed
    assert f"did you mean '{meant}'?" in told(name).message


def test_every_zone_of_the_table_of_windows_is_one():
    assert [] == [zone for zone in ZONE_OF_WINDOWS_NAME.values() if find_zone(zone) is None]
    assert 139 == len(ZONE_OF_WINDOWS_NAME)


@pytest.mark.parametrize("name", ["CEST", "PST", "EDT", "IST", "AEST", "cest", "Pst", "est", "MEZ", "XYZ", " JST "])
def test_an_abbreviation_is_not_answered_with_a_zone(name):
    assert () == told(name).allowed
    assert "is an abbreviation" in told(name).message
    assert told(name).message.endswith("write a zone such as 'Europe/Berlin'")


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules"])
def test_a_zone_of_no_place_is_refused(name):
    assert "is no zone of a place" in told(name).message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("EST", "never changes its clocks; where they change, write a zone such as 'America/New_York'"),
        ("MST", "'America/Denver'"),
        ("HST", "'Pacific/Honolulu'"),
        ("GMT", "'Europe/London'"),
        ("Etc/GMT", "'Europe/London'"),
        ("Etc/GMT+5", "is 5 h behind UTC all year (its sign is the other way round)"),
        ("Etc/GMT-14", "is 14 h ahead of UTC all year"),
    ],
)
def test_a_zone_that_stands_still_is_told(name, said):
    assert find_zone(name) is not None
    (warning,) = zone_warnings(name)
    assert said in warning


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "Zulu", "EST5EDT", "CET", "Europe/Berlin", "Asia/Tokyo", "Iceland"])
def test_other_zones_pass_without_a_word(name):
    assert [] == zone_warnings(name)
