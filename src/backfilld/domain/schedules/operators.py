"""The seven words a schedule may begin with (`daily>` and so on), and what their values mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from backfilld.domain.errors import did_you_mean
from backfilld.domain.schedules.cron import WEEKDAY_NUMBERS, read_cron
from backfilld.domain.schedules.days import DayRule
from backfilld.domain.schedules.patterns import EVERY_HOUR, at_times, midnights
from backfilld.domain.schedules.points import EverySeconds
from backfilld.domain.schedules.schedule import Rhythm
from backfilld.domain.schedules.values import LONGEST_DELAY, clock_time, whole

LONGEST_INTERVAL_SECONDS = LONGEST_DELAY // timedelta(seconds=1)
_LAST_MINUTE = 59
_LAST_DAY = 31
_Read = tuple[Rhythm, timedelta]


@dataclass(frozen=True, slots=True)
class Operator:
    """`read` gives the rhythm and the delay in its value, or raises ValueError; `example` is a value it takes."""

    read: Callable[[object], _Read]
    example: str
    takes_delay: bool = False


def _hourly(value: object) -> _Read:
    return (at_times(EVERY_HOUR, {0}, DayRule()),), clock_time(value, "MM:SS")


def _daily(value: object) -> _Read:
    return (midnights(DayRule()),), clock_time(value, "HH:MM:SS")


def _weekly(value: object) -> _Read:
    day, time = _day_and_time(value, "DAY")
    return (midnights(DayRule(weekdays=frozenset({_weekday(day)}))),), clock_time(time, "HH:MM:SS")


def _monthly(value: object) -> _Read:
    day, time = _day_and_time(value, "D")
    try:
        number = whole(day, 1, _LAST_DAY)
    except ValueError:
        raise ValueError(f"the day of the month {day!r} must be 1 to {_LAST_DAY}") from None
    return (midnights(DayRule(days_of_month=frozenset({number}))),), clock_time(time, "HH:MM:SS")


def _minutes(value: object) -> _Read:
    try:
        step = whole(value, 1, _LAST_MINUTE)
    except ValueError as wrong:
        message = f"{wrong}: minutes are counted anew in each hour (for whole hours, use 'hourly>' or 'cron>')"
        raise ValueError(message) from None
    return (at_times(EVERY_HOUR, range(0, 60, step), DayRule()),), timedelta(0)


def _seconds(value: object) -> _Read:
    return EverySeconds(whole(value, 1, LONGEST_INTERVAL_SECONDS)), timedelta(0)


def _cron(value: object) -> _Read:
    if not isinstance(value, str):
        raise ValueError("must be cron text with five fields")  # one kind of error for all values
    return read_cron(value), timedelta(0)


def _day_and_time(value: object, day: str) -> tuple[str, str]:
    first, comma, rest = value.partition(",") if isinstance(value, str) else ("", "", "")
    if not comma:
        raise ValueError(f"must be {day},HH:MM:SS as text")
    return first.strip(), rest.strip()


def _weekday(text: str) -> int:
    if text.casefold() in WEEKDAY_NUMBERS:
        return WEEKDAY_NUMBERS[text.casefold()]
    try:
        return whole(text, 0, 7) % 7
    except ValueError:
        names = ", ".join(name.title() for name in WEEKDAY_NUMBERS)
        hint = did_you_mean(text, (name.title() for name in WEEKDAY_NUMBERS))
        raise ValueError(f"the day {text!r} must be 0 to 7 (both Sunday) or one of {names}{hint}") from None


OPERATORS: Mapping[str, Operator] = {
    "hourly>": Operator(_hourly, "30:00"),
    "daily>": Operator(_daily, "07:00:00"),
    "weekly>": Operator(_weekly, "Sun,09:00:00"),
    "monthly>": Operator(_monthly, "1,09:00:00"),
    "minutes_interval>": Operator(_minutes, "30", takes_delay=True),
    "seconds_interval>": Operator(_seconds, "90", takes_delay=True),
    "cron>": Operator(_cron, "42 4 1 * *", takes_delay=True),
}
