"""Every clock change of every zone from 2000 to 2037, second by second. Takes minutes."""

from datetime import date, timedelta
from random import Random

import pytest
from tests.domain.wall_clock_oracle import DAY, DAYS, EPOCH, Oracle, Request, all_changes, drawn, instant, zone_file
from tests.domain.window_strategies import calendar, clock, situation

AROUND = 2 * DAY


def daily(*times: tuple[str, str]) -> Request:
    return {day: [{"run_start_time": start, "run_end_time": end} for start, end in times] for day in DAYS}


def at_random(seed: int) -> Request:
    """Windows whose edges crowd where clocks change: from 23:00 to 04:00."""
    random = Random(seed)
    times = [
        clock(random.choice([random.randrange(DAY), (82_800 + random.randrange(18_000)) % DAY])) for _ in range(60)
    ]
    entries = [
        {"run_start_time": start, "run_end_time": end}
        for start, end in zip(times[::2], times[1::2], strict=True)
        if start != end
    ]
    return {day: entries[number * 4 : number * 4 + random.randrange(1, 4)] for number, day in enumerate(DAYS)}


REQUESTS = [
    daily(("22:00", "06:00")),
    daily(("00:00", "24:00")),
    daily(("00:00", "00:15"), ("00:29:59", "00:30:01"), ("01:30", "02:30"), ("02:59:59", "03:00"), ("23:30", "00:00")),
    daily(("02:15", "02:45"), ("23:59:59", "00:00:01"), ("00:59:59", "01:00:01"), ("01:59:59", "02:00:01")),
    daily(("03:00", "02:00"), ("02:00:30", "02:59:30")),
    {"saturday": daily(("22:00", "06:00"))["saturday"], "sunday": daily(("01:00", "01:45"))["sunday"]},
    *(at_random(seed) for seed in range(6)),
]


def excluded_near(second: int, number: int) -> frozenset[date]:
    """None, the day itself, the day before, or both, by turns."""
    today = (EPOCH + timedelta(seconds=second)).date()
    return frozenset(today - timedelta(days=back) for back in (0, 1) if number >> back & 1)


@pytest.mark.slow
@pytest.mark.parametrize("request_number", range(len(REQUESTS)))
def test_every_second_around_every_clock_change_is_as_the_wall_clock_says(request_number):
    request = REQUESTS[request_number]
    judge = Oracle(request, "UTC")  # keeps what it has judged, from one change to the next
    for number, (zone, change) in enumerate(all_changes()):
        excluded = excluded_near(change + zone_file(zone).offset(change), number)
        windows = calendar(request, zone, excluded)
        judge.look_at(zone, excluded)
        since, until = change - AROUND, change + AROUND

        assert judge.seconds(since, until) == drawn(windows.intervals(instant(since), instant(until)), since, until), (
            f"{zone} at {instant(change)}, without {sorted(excluded)}"
        )


@pytest.mark.slow
def test_every_answer_around_every_clock_change_agrees():
    random = Random(38)
    for number, (zone, change) in enumerate(all_changes()):
        excluded = excluded_near(change + zone_file(zone).offset(change), number)
        windows, oracle, _ = situation(REQUESTS[number % len(REQUESTS)], zone, excluded, change)
        for second in (change - 1, change, change + 1, *(change + random.randrange(-DAY, DAY) for _ in range(20))):
            expected = oracle.is_open(second)

            assert expected == windows.is_open(instant(second)), f"{zone} at {instant(second)}"
            assert expected == windows.state(instant(second)).open, f"{zone} at {instant(second)}"


@pytest.mark.slow
def test_days_that_the_oracle_has_judged_before_are_as_if_judged_anew():
    oracle = Oracle(REQUESTS[2], "America/New_York", [date(2027, 3, 14)])
    since = 1_805_000_400  # the clocks go forward on the second day
    whole = oracle.seconds(since, since + 3 * DAY)

    assert whole == bytes(oracle.is_open(second) for second in range(since, since + 3 * DAY))
