"""Counts that always add up, and an end that respects the windows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.domain.backfills.progress import counts, differs_much, finish_at
from backfilld.domain.backfills.records import Progress
from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.weekly import parse_windows

MONDAY_NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
small = st.integers(0, 30)


def nightly(start: str = "22:00", end: str = "06:00") -> Calendar:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    windows, _, _ = parse_windows({day: [{"run_start_time": start, "run_end_time": end}] for day in days}, "")
    assert windows is not None
    return Calendar(windows, ZoneInfo("UTC"))


@given(
    st.builds(
        Progress, planned=st.integers(0, 60), succeeded=small, failed=small, skipped=small, cancelled=small,
        retrying=small, in_flight=small, in_flight_retries=small,
    ),
    st.none() | small,
    st.none() | small,
)  # fmt: skip
def test_the_parts_add_up_whenever_they_were_looked_at(
    progress: Progress, in_flight: int | None, again: int | None
) -> None:
    found = counts(progress, in_flight=in_flight, in_flight_retries=again)

    recorded = progress.processed + progress.cancelled
    assert max(progress.planned, recorded) == recorded + found.remaining
    assert 0 <= min(found.in_flight, found.retrying, found.pending, found.to_run)
    assert found.processed == found.succeeded + found.failed + found.skipped


def test_a_retry_in_flight_is_not_counted_as_waiting_too() -> None:
    found = counts(Progress(planned=10, succeeded=4, retrying=3), in_flight=2, in_flight_retries=1)

    assert (2, 2, 2) == (found.in_flight, found.retrying, found.pending)


def test_what_planning_skipped_is_not_to_run() -> None:
    found = counts(Progress(planned=10, skipped=4, skipped_in_plan=3))

    assert (10, 7, 4, 6) == (found.total, found.to_run, found.processed, found.pending)


def test_a_backfill_that_is_always_open_ends_after_its_work() -> None:
    assert MONDAY_NOON + timedelta(seconds=50) == finish_at(None, MONDAY_NOON, 100, 2.0)
    assert MONDAY_NOON == finish_at(None, MONDAY_NOON, 0, 2.0)


@pytest.mark.parametrize(("items", "expected"), [
    (3600, datetime(2027, 3, 1, 23, tzinfo=UTC)),
    (8 * 3600, datetime(2027, 3, 2, 6, tzinfo=UTC)),
    (8 * 3600 + 60, datetime(2027, 3, 2, 22, 1, tzinfo=UTC)),
])  # fmt: skip
def test_closed_hours_are_walked_over(items: int, expected: datetime) -> None:
    assert expected == finish_at(nightly(), MONDAY_NOON, items, 1.0)


def test_without_a_rate_nobody_knows() -> None:
    assert None is finish_at(nightly(), MONDAY_NOON, 10, 0.0)
    assert None is finish_at(None, MONDAY_NOON, 10**9, 0.001)


@pytest.mark.parametrize(("count", "estimate", "expected"), [
    (110, 100, False), (111, 100, True), (90, 100, False), (89, 100, True), (0, 0, False), (1, 0, True),
])  # fmt: skip
def test_a_tenth_off_is_near_enough(count: int, estimate: int, expected: bool) -> None:
    assert expected is differs_much(count, estimate)
