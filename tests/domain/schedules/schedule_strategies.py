"""What hypothesis draws for the tests of schedules: definitions, and instants around clock changes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from backfilld.domain.schedules import Schedule, parse_schedule

# Near these, a day repeats or lacks something: an hour, half of one, a midnight, a whole day, an hour across midnight.
CHANGES: Mapping[str, tuple[str, ...]] = {
    "America/Los_Angeles": ("2016-03-13T10:00:00Z", "2016-11-06T09:00:00Z"),
    "America/Sao_Paulo": ("2017-10-15T03:00:00Z", "2018-02-18T02:00:00Z"),
    "Australia/Lord_Howe": ("2016-10-01T15:30:00Z", "2016-04-02T15:00:00Z"),
    "Europe/Berlin": ("2027-03-28T01:00:00Z", "2027-10-31T01:00:00Z"),
    "America/St_Johns": ("2010-03-14T03:31:00Z", "2010-11-07T02:31:00Z"),
    "America/Havana": ("2016-03-13T05:00:00Z", "2016-11-06T05:00:00Z"),
    "Pacific/Apia": ("2011-12-30T10:00:00Z", "2011-04-02T14:00:00Z"),
    "Asia/Tokyo": ("2016-01-01T00:00:00Z",),
}


class Situation(NamedTuple):
    """A schedule without start and end, and an instant at which something interesting may happen."""

    schedule: Schedule
    at: datetime


def schedule(definition: Mapping[str, Any], zone: str = "UTC") -> Schedule:
    found, faults = parse_schedule(definition, "", ZoneInfo(zone))

    assert [] == faults
    assert found is not None
    return found


def _field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda ends: f"{ends[0]}-{ends[1]}")
    step = st.tuples(st.one_of(st.just("*"), span), st.integers(1, 13)).map(lambda both: f"{both[0]}/{both[1]}")
    part = st.one_of(number.map(str), span, step)
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


def crons(
    hours: st.SearchStrategy[str] | None = None, days: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[str]:
    """Cron text that fires at least every few months."""
    day = st.one_of(st.just("*"), _field(1, 28), st.just("L")) if days is None else days
    week = st.one_of(st.just("*"), _field(0, 7)) if days is None else st.just("*")
    return st.tuples(_field(0, 59), _field(0, 23) if hours is None else hours, day, st.just("*"), week).map(" ".join)


def definitions() -> st.SearchStrategy[dict[str, Any]]:
    clock = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda time: f"{time[0]:02}:{time[1]:02}:00")
    delay = st.integers(0, 200_000)
    return st.one_of(
        clock.map(lambda text: {"hourly>": text[3:]}),
        clock.map(lambda text: {"daily>": text}),
        st.tuples(st.integers(0, 7), clock).map(lambda both: {"weekly>": f"{both[0]},{both[1]}"}),
        st.tuples(st.integers(1, 31), clock).map(lambda both: {"monthly>": f"{both[0]},{both[1]}"}),
        st.tuples(st.integers(1, 59), delay).map(lambda both: {"minutes_interval>": both[0], "delay": both[1]}),
        st.integers(1, 100_000).map(lambda seconds: {"seconds_interval>": seconds}),
        st.tuples(crons(), delay).map(lambda both: {"cron>": both[0], "delay": both[1]}),
        st.tuples(crons(), crons()).map(lambda both: {"cron>": "|".join(both)}),
    )


@st.composite
def situations(draw: st.DrawFn, of: st.SearchStrategy[dict[str, Any]] | None = None) -> Situation:
    zone, changes = draw(st.sampled_from(sorted(CHANGES.items())))
    near = timedelta(seconds=draw(st.integers(-60, 60)) * 900 + draw(st.integers(-2, 2)))
    at = datetime.fromisoformat(draw(st.sampled_from(changes))).astimezone(UTC) + near
    return Situation(schedule(draw(definitions() if of is None else of), zone), at)
