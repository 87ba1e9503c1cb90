"""Ends that know pace, budgets, brakes and clock changes; and no limit more makes one earlier."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.domain.backfills.estimating.allowances import Allowance
from backfilld.domain.backfills.estimating.ends import (
    Bound,
    Estimate,
    Unknown,
    Workload,
    between,
    estimate,
    items_per_minute,
)
from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.weekly import WEEKDAYS, parse_windows

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def nightly(start: str = "22:00", end: str = "06:00", zone: str = "UTC") -> Calendar:
    windows, _, _ = parse_windows({day: [{"run_start_time": start, "run_end_time": end}] for day in WEEKDAYS}, "")
    assert windows is not None
    return Calendar(windows, ZoneInfo(zone))


def never() -> Calendar:
    excluded = frozenset((NOON + timedelta(days=number - 2)).date() for number in range(500))
    return replace(nightly(), excluded_dates=excluded)


def work(items: int | None = 3_600, speed: float | None = 1.0, calendar: Calendar | None = None, **more: Any):
    return Workload(now=more.pop("now", NOON), calendar=calendar, items=items, speed=speed, **more)


def paced(per_minute: float) -> Bound:
    return Bound("starts_per_minute", per_minute / 60, per_minute)


def hourly(requests: float, per_item: float = 1.0, **more: Any) -> Allowance:
    return Allowance("connection", requests, 3_600, per_item, requests, **more)


def told(found: Estimate) -> tuple[Any, ...]:
    limit = found.limited_by
    return found.completion_at, None if limit is None else limit.what


CASES = {
    "its own speed": (work(), (NOON + HOUR, None)),
    "nothing to do": (work(0, None), (NOON, None)),
    "through closed hours": (work(9 * 3_600, 1.0, nightly()), (NOON + timedelta(days=1, hours=11), None)),
    "pace alone": (work(600, 1.0, bounds=[paced(10)]), (NOON + HOUR, "starts_per_minute")),
    "a pace above its speed": (work(bounds=[paced(600)]), (NOON + HOUR, None)),
    "the slowest of two": (
        work(600, 9.0, bounds=[paced(20), Bound("target_starts_per_minute", 10 / 60, 60, "crm", 5)]),
        (NOON + HOUR, "target_starts_per_minute"),
    ),
    "an allowance for all of it": (work(3_600, 1.0, allowances=[hourly(5_000)]), (NOON + HOUR, None)),
    "an hour's allowance, and what is left in the next": (
        work(6_000, 10.0, allowances=[hourly(5_000)]), (NOON + HOUR + timedelta(seconds=100), "connection"),
    ),
    "two requests for each": (
        work(3_000, 10.0, allowances=[hourly(5_000, 2.0)]), (NOON + HOUR + timedelta(seconds=50), "connection"),
    ),
    "half of it shared": (
        work(6_000, 10.0, allowances=[hourly(2_500, others=1)]),
        (NOON + 2 * HOUR + timedelta(seconds=100), "connection"),
    ),
    "what is used comes back as it was spent": (
        work(2_000, 10.0, allowances=[hourly(1_000, used=1_000)]), (NOON + 2 * HOUR, "connection"),
    ),
    "each night an allowance": (
        work(2_000, 10.0, nightly("22:00", "22:10"), allowances=[hourly(1_000)]),
        (NOON + timedelta(days=1, hours=10, seconds=100), "connection"),
    ),
    "one that costs nothing": (work(allowances=[hourly(1, 0.0)]), (NOON + HOUR, None)),
    "brakes took half": (work(open_share=0.5), (NOON + 2 * HOUR, None)),
    "not before": (work(not_before=NOON + HOUR), (NOON + 2 * HOUR, None)),
    "nothing may be asked before": (work(allowances=[hourly(9_000, until=NOON + HOUR)]), (NOON + 2 * HOUR, None)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_end_knows_what_slows_it_down(case: str) -> None:
    given_, expected = CASES[case]

    assert expected == told(estimate(given_))


@pytest.mark.parametrize(("asked", "why"), [
    (work(calendar=never()), Unknown.NEVER_OPENS),
    (work(None), Unknown.NOT_COUNTED),
    (work(speed=None), Unknown.NO_SPEED),
    (work(open_share=0.0), Unknown.ALWAYS_BRAKED),
    (work(10**9, 0.001), Unknown.TOO_FAR),
    (work(10**9, 1.0, bounds=[paced(0.01)]), Unknown.TOO_FAR),
    (work(10**9, 1e6, allowances=[hourly(1)]), Unknown.TOO_FAR),
    (work(10**6, 1e6, nightly("22:00", "22:00:01"), allowances=[hourly(100)]), Unknown.TOO_FAR),
])  # fmt: skip
def test_what_never_ends_is_null_with_a_reason(asked: Workload, why: Unknown) -> None:
    found = estimate(asked)

    assert (None, why) == (found.completion_at, found.unknown)


def test_limits_tell_how_early_it_can_be_where_no_speed_is_known() -> None:
    assert NOON + HOUR == estimate(work(600, None, bounds=[paced(10)])).earliest_at
    assert None is estimate(work(600, None)).earliest_at


def test_an_hour_that_two_windows_share_is_spent_once() -> None:
    """Open 22:00 to 22:05 and 22:30 to 22:35; of 1,000 requests an hour no second thousand is there at 22:30."""
    spans = [("22:00", "22:05"), ("22:30", "22:35")]
    week = {day: [{"run_start_time": start, "run_end_time": end} for start, end in spans] for day in WEEKDAYS}
    windows, _, _ = parse_windows(week, "")
    assert windows is not None
    calendar = Calendar(windows, ZoneInfo("UTC"))
    found = estimate(work(1_500, 10.0, calendar, allowances=[hourly(1_000)]))

    assert NOON + timedelta(days=1, hours=10, seconds=50) == found.completion_at


@pytest.mark.parametrize(("night", "hours"), [("2027-03-13", 7), ("2027-03-20", 8), ("2027-11-06", 9)])
def test_a_night_is_as_long_as_its_clocks_make_it(night: str, hours: int) -> None:
    noon = datetime.fromisoformat(night + "T17:00:00+00:00")
    calendar = nightly(zone="America/New_York")
    bounds = [paced(60)]
    whole, more = (
        estimate(work(hours * 3_600 + rest, 9.0, calendar, now=noon, bounds=bounds)).completion_at for rest in (0, 1)
    )
    opens = estimate(work(1, 9.0, calendar, now=noon)).start_at

    assert whole is not None
    assert more is not None
    assert opens is not None
    assert timedelta(hours=hours) == whole - opens
    assert timedelta(hours=12) < more - whole


def test_a_plan_is_made_before_the_first_start() -> None:
    needed = hourly(1_000, 0.0, first=2_500)

    assert NOON + 2 * HOUR == replace_micro(estimate(work(10, allowances=[needed])).start_at)
    assert NOON + timedelta(hours=10) == replace_micro(estimate(work(10, 1.0, nightly(), allowances=[needed])).start_at)
    assert NOON + timedelta(hours=12) == replace_micro(
        estimate(work(10, 1.0, nightly(), allowances=[needed], plans_any_time=False)).start_at
    )


def replace_micro(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(microsecond=0)


def test_the_range_is_made_by_the_same_limits() -> None:
    asked = work(3_600, 1.0, bounds=[paced(90)])

    assert (NOON + timedelta(minutes=40), NOON + 2 * HOUR) == between(asked, 0.5, 4.0)
    assert None is between(asked, 0.0, 4.0)


def test_what_limits_come_to_a_minute() -> None:
    assert [10.0, 25.0, None] == [
        None if rate is None else round(rate, 9)
        for rate in map(items_per_minute, [paced(10), hourly(3_000, 2.0), hourly(1, 0.0)])
    ]


calendars = st.sampled_from(
    [None, nightly(), nightly("22:00", "22:10"), nightly("01:30", "02:30", "America/New_York"), never()]
)
bounds = st.builds(paced, st.floats(0.1, 5_000))
allowances = st.builds(
    lambda requests, seconds, per_item, used, first, until: Allowance(
        "connection", requests, seconds, per_item, requests, used=used * requests, first=first,
        until=until and NOON + timedelta(minutes=until),
    ),
    st.floats(1, 20_000), st.sampled_from([60.0, 3_600.0]), st.sampled_from([0.0, 0.002, 1.0, 2.0]),
    st.floats(0, 1.5), st.sampled_from([0.0, 0.0, 40.0]), st.none() | st.integers(1, 3_000),
)  # fmt: skip
workloads = st.builds(
    Workload, now=st.just(NOON), calendar=calendars, items=st.integers(0, 200_000), speed=st.floats(0.01, 2_000),
    bounds=st.lists(bounds, max_size=2), allowances=st.lists(allowances, max_size=2),
    open_share=st.floats(0.05, 1), plans_any_time=st.booleans(),
)  # fmt: skip


def later(plain: Estimate, limited: Estimate) -> bool:
    """By what rounding leaves; None is never."""
    if limited.completion_at is None or plain.completion_at is None:
        return limited.completion_at is None
    return limited.completion_at >= plain.completion_at - timedelta(milliseconds=10)


@given(workloads, st.lists(bounds, max_size=1), st.lists(allowances, max_size=1), st.floats(0.05, 1))
def test_a_limit_more_never_makes_an_end_earlier(
    asked: Workload, more: Sequence[Bound], spent: Sequence[Allowance], share: float
) -> None:
    plain = estimate(asked)
    limited = replace(
        asked,
        bounds=[*asked.bounds, *more],
        allowances=[*asked.allowances, *spent],
        open_share=asked.open_share * share,
    )

    assert later(plain, estimate(limited))


@given(workloads, st.integers(1, 2_000))
def test_more_to_do_never_ends_earlier(asked: Workload, more: int) -> None:
    assert later(estimate(asked), estimate(replace(asked, items=(asked.items or 0) + more)))
