"""What hypothesis draws for the tests of windows: requests as JSON, and calendars around clock changes."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st
from tests.domain.wall_clock_oracle import (
    DAYS,
    EPOCH,
    SINCE,
    UNTIL,
    Oracle,
    Request,
    all_changes,
    distinct_zones,
    instant,
    zone_file,
)

from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.timezones import find_zone
from backfilld.domain.windows.weekly import parse_windows


class Situation(NamedTuple):
    """A calendar, its oracle, and the second at which something interesting happens."""

    calendar: Calendar
    oracle: Oracle
    second: int


def calendar(request: Request, zone: str, excluded: frozenset[date] = frozenset()) -> Calendar:
    windows, faults, _ = parse_windows(request, "")
    found = find_zone(zone)

    assert (windows, found, faults) != (None, None, [])
    assert windows is not None
    assert found is not None
    return Calendar(windows, found, excluded)


def situation(request: Request, zone: str, excluded: frozenset[date], second: int) -> Situation:
    return Situation(calendar(request, zone, excluded), Oracle(request, zone, excluded), second)


def _times(near: int) -> st.SearchStrategy[int]:
    """Seconds of a day: round ones as people write them, any, and those around a time of day."""
    close = st.integers(-7300, 7300).map(lambda distance: (near + distance) % 86_400)
    return st.one_of(st.integers(0, 95).map(lambda quarter: quarter * 900), close, st.integers(0, 86_399))


def clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _entries(near: int) -> st.SearchStrategy[dict[str, str]]:
    def entry(times: tuple[int, int]) -> dict[str, str]:
        return {"run_start_time": clock(times[0]), "run_end_time": clock(times[1])}

    return st.tuples(_times(near), _times(near)).filter(lambda times: times[0] != times[1]).map(entry)


def requests(near: int = 7200) -> st.SearchStrategy[Request]:
    """Valid `daily_execution_windows`; many of their edges lie near a time of day."""
    some = st.dictionaries(st.sampled_from(DAYS), st.lists(_entries(near), max_size=4))
    daily = st.lists(_entries(near), min_size=1, max_size=3).map(lambda entries: dict.fromkeys(DAYS, entries))
    return st.one_of(some, daily).filter(lambda request: any(request.values()))


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Around a clock change of any zone, with windows near it and perhaps dates near it that are excluded."""
    zone, second = draw(st.sampled_from(all_changes()))
    local = second + draw(st.sampled_from([zone_file(zone).offset(second - 1), zone_file(zone).offset(second)]))
    request = draw(requests(near=local % 86_400))
    today = (EPOCH + timedelta(seconds=local)).date()
    excluded = draw(st.frozensets(st.integers(-8, 8).map(lambda days: today + timedelta(days=days)), max_size=4))
    return situation(request, zone, excluded, second)


def zones() -> st.SearchStrategy[str]:
    return st.deferred(lambda: st.sampled_from(distinct_zones()))  # reading them all takes a while


def instants() -> st.SearchStrategy[datetime]:
    return st.integers(SINCE * 1000, UNTIL * 1000).map(lambda ms: instant(0) + timedelta(milliseconds=ms))
