"""What clock changes do to windows, in words."""

from datetime import UTC, date, datetime

import pytest
from tests.domain.wall_clock_oracle import DAYS
from tests.domain.window_strategies import calendar

from backfilld.domain.windows.openings import Calendar


def daily(zone: str, start: str, end: str, *excluded: date) -> Calendar:
    entry = {"run_start_time": start, "run_end_time": end}
    return calendar({day: [entry] for day in DAYS}, zone, frozenset(excluded))


def notes(calendar: Calendar, since: str, until: str) -> list[str]:
    return calendar.notes(*(datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (since, until)))


NEW_YORK, LORD_HOWE, APIA = "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"
SPRING = "2027-03-14: clocks in America/New_York go forward at 02:00 to 03:00; the window"
AUTUMN = "2027-11-07: clocks in America/New_York go back at 02:00 to 01:00; the window"
BOTH_NIGHTS = [f"{SPRING} 02:59:15-02:15 is {length} shorter" for length in ("15 min", "45 s")]
HOWE = "2027-04-04: clocks in Australia/Lord_Howe go back at 02:00 to 01:30; the window"
LOST = "2011-12-30: clocks in Pacific/Apia go forward at 00:00 to 2011-12-31 00:00; the window"


@pytest.mark.parametrize(
    ("zone", "start", "end", "day", "told"),
    [
        (NEW_YORK, "02:15", "02:45", "2027-03-14", [f"{SPRING} 02:15-02:45 does not open"]),
        (NEW_YORK, "22:00", "06:00", "2027-03-14", [f"{SPRING} 22:00-06:00 is 1 h shorter"]),
        (NEW_YORK, "02:30", "04:00", "2027-03-14", [f"{SPRING} 02:30-04:00 is 30 min shorter"]),
        (NEW_YORK, "02:59:15", "02:15", "2027-03-14", BOTH_NIGHTS),
        (NEW_YORK, "03:00", "02:00", "2027-03-14", []),
        (NEW_YORK, "22:00", "06:00", "2027-11-07", [f"{AUTUMN} 22:00-06:00 is 1 h longer"]),
        (NEW_YORK, "01:30", "02:30", "2027-11-07", [f"{AUTUMN} 01:30-02:30 opens twice and is 30 min longer in all"]),
        (NEW_YORK, "02:00", "01:00", "2027-11-07", []),
        (LORD_HOWE, "01:00", "01:45", "2027-04-03", [f"{HOWE} 01:00-01:45 opens twice and is 15 min longer in all"]),
        (APIA, "09:00", "17:00", "2011-12-30", [f"{LOST} 09:00-17:00 does not open"]),
        ("UTC", "00:00", "23:00", "2027-03-14", []),
    ],
)  # fmt: skip
def test_each_window_that_a_change_touches_is_told(zone, start, end, day, told):
    following = date.fromisoformat(day).replace(day=date.fromisoformat(day).day + 1).isoformat()

    assert told == notes(daily(zone, start, end), day, following)


def test_only_changes_in_the_time_asked_for_are_told():
    nightly = daily(NEW_YORK, "22:00", "06:00")

    assert [] == notes(nightly, "2027-03-15", "2027-11-07")
    assert 2 == len(notes(nightly, "2027-01-01", "2028-01-01"))


def test_windows_that_do_not_start_on_that_date_anyway_are_not_told():
    assert [] == notes(daily(NEW_YORK, "22:00", "06:00", date(2027, 3, 13)), "2027-03-14", "2027-03-15")
