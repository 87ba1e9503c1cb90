"""Windows as one types them: `mon-fri 22:00-06:00`.

The command line turns its arguments into the JSON that a request carries, so that a terminal and a program send the
same thing and are judged by the same rules.
"""

import re
from collections.abc import Iterable

from backfilld.domain.errors import Fault, Invalid, nearest, pointer
from backfilld.domain.windows.weekly import WEEKDAYS, parse_windows

Windows = dict[str, list[dict[str, str]]]

_GROUPS = {
    "daily": range(7),
    "everyday": range(7),
    "weekdays": range(5),
    "weekends": range(5, 7),
}
_NAMES = {name: number for number, day in enumerate(WEEKDAYS) for name in (day, day[:3])} | {
    "tues": 1,
    "weds": 2,
    "thur": 3,
    "thurs": 3,
}
_EXAMPLE = "write days and times, as 'mon-fri 22:00-06:00', 'sat,sun 00:00-24:00' or 'daily 01:00-05:00'"
_DASHES = str.maketrans("–—−", "---")
_LONGEST_SPEC = 200


def parse_command_line(spec: str) -> Windows:
    """One spec in the shape of a request, only the days it names; raises Invalid with what was expected."""
    return windows_from_specs([spec])


def windows_from_specs(specs: Iterable[str]) -> Windows:
    """Several specs together, days in the order of the week; raises Invalid with one fault per bad spec."""
    together: Windows = {}
    faults: list[Fault] = []
    for number, spec in enumerate(specs):
        try:
            windows = _read(spec)
        except ValueError as wrong:
            faults.append(Fault(pointer(number), "invalid_window", f"'{spec[:_LONGEST_SPEC]}': {wrong}; {_EXAMPLE}"))
            continue
        for day, entries in windows.items():
            together.setdefault(day, []).extend(entries)
    if faults:
        raise Invalid(faults, "; ".join(fault.message for fault in faults))
    return {day: together[day] for day in WEEKDAYS if day in together}


def _read(spec: str) -> Windows:
    if len(spec) > _LONGEST_SPEC:
        raise ValueError("is too long")
    days, _, times = re.sub(r"\s*([-,])\s*", r"\1", spec.translate(_DASHES).strip()).partition(" ")
    if not times.strip():
        raise ValueError("names no times" if days else "is empty")
    entries = [_read_times(part) for part in times.strip().split(",")]
    windows = {WEEKDAYS[number]: [dict(entry) for entry in entries] for number in sorted(_read_days(days))}
    _, wrong, _ = parse_windows(windows, "")
    if wrong:
        raise ValueError(wrong[0].message)
    return windows


def _read_days(text: str) -> set[int]:
    numbers: set[int] = set()
    for part in text.casefold().split(","):
        if part in _GROUPS:
            numbers.update(_GROUPS[part])
            continue
        first, dash, last = part.partition("-")
        start, end = _day(first), _day(last if dash else first)
        numbers.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return numbers


def _day(name: str) -> int:
    if name in _NAMES:
        return _NAMES[name]
    near = nearest(name, (*WEEKDAYS, *_GROUPS), most=1)
    raise ValueError(f"'{name}' is not a day" + (f"; did you mean '{near[0]}'?" if near else ""))


def _read_times(text: str) -> dict[str, str]:
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f"'{text}' is not START-END")
    return {"run_start_time": start, "run_end_time": end}
