"""Reads the definition of a schedule, and says everything that is wrong with it at once."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, timedelta, tzinfo
from typing import Any, TypeVar

from backfilld.domain.errors import Fault, did_you_mean, nearest, pointer
from backfilld.domain.schedules.operators import LONGEST_INTERVAL_SECONDS, OPERATORS
from backfilld.domain.schedules.schedule import Schedule
from backfilld.domain.schedules.values import calendar_date, duration, stored_date, truth, whole

_OPTIONS = ("start", "end", "skip_on_overtime", "skip_delayed_by")
_DELAY = "delay"
_CODE = "invalid_schedule"
_LONGEST_SHOWN = 100
T = TypeVar("T")


def parse_schedule(
    value: object, path: str, zone: tzinfo = UTC, *, stored: bool = False
) -> tuple[Schedule | None, list[Fault]]:
    """The schedule that a JSON object defines, or all its faults; `path` is where the object stands.

    `stored`: it came in by the rules of an earlier version, which took dates of further years.
    """
    if not isinstance(value, Mapping):
        example = '{"daily>": "07:00:00"}'
        return None, [Fault(path, "invalid_type", f"must be an object such as {example}")]
    return _Reader(value, path, zone, stored_date if stored else calendar_date).read()


class _Reader:
    """One definition, and the faults found in it so far."""

    def __init__(
        self, value: Mapping[str, Any], path: str, zone: tzinfo, read_date: Callable[[object], date]
    ) -> None:  # fmt: skip
        self._value = value
        self._read_date = read_date
        self._path = path
        self._zone = zone
        self._faults: list[Fault] = []

    def read(self) -> tuple[Schedule | None, list[Fault]]:
        operator = self._operator()
        rhythm, delay = None, timedelta(0)
        if operator is not None:
            read = self._take(operator, OPERATORS[operator].read, example=OPERATORS[operator].example)
            rhythm, delay = read or (None, delay)
        takes_delay = operator is None or OPERATORS[operator].takes_delay
        self._faults += self._unknown((*_OPTIONS, _DELAY) if takes_delay else _OPTIONS, operator)
        if takes_delay:
            delay = timedelta(seconds=self._take(_DELAY, lambda v: whole(v, 0, LONGEST_INTERVAL_SECONDS)) or 0) or delay
        start, end = self._take("start", self._read_date), self._take("end", self._read_date)
        if start and end and end < start:
            self._fault("end", f"must not be before start, {start}")
        skips = self._take("skip_on_overtime", truth), self._take("skip_delayed_by", duration)
        if rhythm is None or self._faults:
            return None, self._faults
        return Schedule(rhythm, delay, self._zone, start, end, bool(skips[0]), skips[1]), []

    def _operator(self) -> str | None:
        """The first operator; a fault if there is none, or more than one."""
        found = [key for key in self._value if key in OPERATORS]
        for second in found[1:]:
            self._fault(second, f"a schedule takes one of these only, and '{found[0]}' is there already")
        if not found and not any(_looks_like_operator(key) for key in self._value):
            message = f"says not when it fires; expected one of {', '.join(OPERATORS)}"
            self._faults.append(Fault(self._path, _CODE, message, tuple(OPERATORS)))
        return found[0] if found else None

    def _unknown(self, options: tuple[str, ...], operator: str | None) -> Iterator[Fault]:
        known = (*options, *OPERATORS)
        for key in self._value:
            if key in known:
                continue
            place, name = self._path + pointer(key), str(key)[:_LONGEST_SHOWN]
            if key == _DELAY:
                yield Fault(
                    place, "unknown_field", f"'{operator}' takes no delay: its value says when it runs", options
                )
            elif _looks_like_operator(key):
                message = f"there is no schedule {name!r}{did_you_mean(name, OPERATORS)}"
                yield Fault(place, "unknown_field", message, nearest(name, OPERATORS) or tuple(OPERATORS))
            else:
                message = f"a schedule takes no {name!r}{did_you_mean(name, known)}"
                yield Fault(place, "unknown_field", message, nearest(name, known) or options)

    def _take(self, key: str, read: Callable[[Any], T], example: str = "") -> T | None:
        if key not in self._value or (self._value[key] is None and not example):
            return None
        try:
            return read(self._value[key])
        except ValueError as wrong:
            self._fault(key, _with_example(str(wrong), example))
            return None

    def _fault(self, key: str, message: str) -> None:
        self._faults.append(Fault(self._path + pointer(key), _CODE, message))


def _looks_like_operator(key: object) -> bool:
    return isinstance(key, str) and key.endswith(">")


def _with_example(message: str, example: str | None) -> str:
    """One that says how it is written already needs no second example."""
    return (
        message
        if not example or "such as" in message or "; write " in message or "; leave " in message
        else f"{message}, such as '{example}'"
    )
