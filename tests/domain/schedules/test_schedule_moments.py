"""Times without an offset: which instant is meant, where the clocks show one twice."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backfilld.domain.errors import Fault
from backfilld.domain.schedules.moments import parse_moment
from backfilld.domain.schedules.truncating import off_schedule, truncated
from backfilld.domain.sessions.records import schedule_of

BERLIN, HAVANA, LORD_HOWE = "Europe/Berlin", "America/Havana", "Australia/Lord_Howe"
NIGHTLY, HOURLY, DAILY = {"cron>": "30 2 * * *"}, {"hourly>": "00:00"}, {"daily>": "07:00:00"}
FIRST, SECOND = "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"

# zone, schedule, text, the instant that is meant (None: refused, both spellings named)
CASES: list[tuple[str, dict[str, Any] | None, str, str | None]] = [
    (BERLIN, NIGHTLY, "2026-10-25T02:30", SECOND),
    (BERLIN, NIGHTLY, "2026-10-25T02:30:00", SECOND),
    (BERLIN, NIGHTLY, "2026-10-25 02:30", SECOND),
    (BERLIN, NIGHTLY, FIRST, FIRST),
    (BERLIN, NIGHTLY, SECOND, SECOND),
    (BERLIN, NIGHTLY, "2026-10-25T02:31", None),  # no session, whichever is meant
    (BERLIN, {"minutes_interval>": 30}, "2026-10-25T02:30", None),  # both are
    (BERLIN, HOURLY, "2026-10-25T02:00", None),
    (BERLIN, DAILY, "2026-10-25T02:30", None),
    (BERLIN, None, "2026-10-25T02:30", None),
    (BERLIN, None, "2026-10-25T03:00", "2026-10-25T03:00:00+01:00"),  # just behind it
    (BERLIN, None, "2026-10-25T01:59:59", "2026-10-25T01:59:59+02:00"),  # just before it
    (BERLIN, None, "2026-03-29T02:30", "2026-03-29T03:30:00+02:00"),  # skipped by the clocks
    (BERLIN, NIGHTLY, "2026-03-29T02:30", "2026-03-29T03:30:00+02:00"),
    (HAVANA, DAILY, "2025-11-02T00:00", "2025-11-02T00:00:00-05:00"),  # a midnight that comes twice
    (HAVANA, None, "2025-11-02T00:00", None),
    (LORD_HOWE, {"cron>": "45 1 * * *"}, "2026-04-05T01:45", "2026-04-05T01:45:00+10:30"),
    ("+09:00", NIGHTLY, "2026-10-25T02:30", "2026-10-25T02:30:00+09:00"),
    ("UTC", None, "2026-10-25T02:30", "2026-10-25T02:30:00+00:00"),
]


def schedule_in(zone: str, definition: dict[str, Any] | None) -> Any:
    return None if definition is None else schedule_of({"schedule": definition, "timezone": zone})


def zone_of(name: str) -> Any:
    return schedule_of({"schedule": DAILY, "timezone": name}).zone


@pytest.mark.parametrize(("zone", "definition", "text", "meant"), CASES)
@pytest.mark.parametrize("mode", ["parsed", None, "second"])
def test_a_time_that_comes_twice_is_the_session_of_the_schedule_or_refused(zone, definition, text, meant, mode):
    schedule = schedule_in(zone, definition)
    if mode == "parsed":
        found = parse_moment(text, "/at", zone_of(zone), schedule)
    else:
        found = truncated(text, mode, zone_of(zone), schedule)

    if meant is None:
        assert isinstance(found, Fault)
        assert "ambiguous_time" == found.code
        local = datetime.fromisoformat(text).replace(tzinfo=zone_of(zone))
        assert all(at.isoformat() in found.message for at in (local, local.replace(fold=1)))
    else:
        assert datetime.fromisoformat(meant) == found


@pytest.mark.parametrize(("mode", "meant"), [
    ("day", "2026-10-25T00:00:00+02:00"), ("schedule", SECOND), ("hour", None), ("minute", SECOND),
    ("next_schedule", None),
])  # fmt: skip
def test_a_time_that_comes_twice_is_refused_only_where_it_makes_a_difference(mode, meant):
    found = truncated("2026-10-25T02:30", mode, ZoneInfo(BERLIN), schedule_in(BERLIN, NIGHTLY))

    assert (None if meant is None else datetime.fromisoformat(meant)) == (None if isinstance(found, Fault) else found)


def test_a_fraction_of_a_second_is_kept_beside_the_clocks():
    found = parse_moment("2026-10-25T03:30:00.5", "", ZoneInfo(BERLIN), schedule_in(BERLIN, NIGHTLY))

    assert datetime(2026, 10, 25, 2, 30, 0, 500_000, tzinfo=UTC) == found


@pytest.mark.parametrize(("definition", "at", "nearest"), [
    (NIGHTLY, FIRST, SECOND), (NIGHTLY, SECOND, None), (DAILY, FIRST, "2026-10-25T00:00:00+02:00"),
    (DAILY, "2026-10-24T22:00:00+02:00", "2026-10-25T00:00:00+02:00"), (HOURLY, FIRST, "2026-10-25T02:00:00+02:00"),
    ({"minutes_interval>": 30}, FIRST, None), (DAILY | {"end": "2020-01-01"}, FIRST, "2026-10-25T00:00:00+02:00"),
])  # fmt: skip
def test_a_time_that_is_no_session_is_told_the_nearest_that_is(definition, at, nearest):
    told = off_schedule(schedule_in(BERLIN, definition), datetime.fromisoformat(at).astimezone(UTC))

    assert (nearest is None) == (told is None)
    assert nearest is None or told == f"{at} is no session of the workflow's schedule; the nearest is {nearest}"


@pytest.mark.parametrize(("zone", "by_the_clock"), [(None, False), (ZoneInfo(BERLIN), True)])
def test_the_example_for_what_is_no_time_is_one_that_would_be_read(zone, by_the_clock):
    found = parse_moment("yesterday", "/fromTime", zone)

    assert isinstance(found, Fault)
    assert "2027-03-01T09:00:00+09:00" in found.message
    assert by_the_clock == ("2027-03-01T09:00 by the workflow's clock" in found.message)


@pytest.mark.parametrize(("mode", "named"), [("banana", ("day", "schedule", "next_schedule")), ("dya", ("day",))])
def test_a_mode_that_there_is_not_is_told_those_that_there_are(mode, named):
    found = truncated("2026-10-25T05:30", mode, ZoneInfo(BERLIN), None)

    assert isinstance(found, Fault)
    assert all(name in found.message for name in named)
