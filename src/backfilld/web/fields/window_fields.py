"""Windows as rules: days, from when, to when; and the week that they come to, either way.

`w.0.d4` is the Friday of the first rule, `w.0.from` and `w.0.to` its times. A day that no rule names is closed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backfilld.domain.windows.weekly import WEEKDAYS

Fields = Mapping[str, str]
_NAME = re.compile(r"w\.(\d{1,3})\.(?:d[0-6]|from|to)")

EDITS = ("window", "unwindow", "preset")
_NIGHT = ("22:00", "06:00")
PRESETS: Mapping[str, tuple[str, list[tuple[range, str, str]]]] = {
    "weeknights": ("Weeknights", [(range(5), *_NIGHT)]),
    "weekends": ("Weekends", [(range(5, 7), "00:00", "24:00")]),
    "office": ("Outside office hours", [(range(5), "18:00", "08:00"), (range(5, 7), "00:00", "24:00")]),
    "always": ("Always", [(range(7), "00:00", "24:00")]),
}


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A rule of the form; `at` begins the names of its fields."""

    at: str
    days: frozenset[int]
    start: str
    end: str

    @property
    def is_overnight(self) -> bool:
        return bool(self.start and self.end) and self.end <= self.start


@dataclass(slots=True)
class Week:
    """What a request carries, and which field says what stands at a JSON Pointer in it."""

    windows: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    dayless: list[str] = field(default_factory=list)  # rules with times that no day has


def rows_of(fields: Fields) -> list[WindowRow]:
    """The rules in their order."""
    numbers = sorted({int(match[1]) for name in fields if (match := _NAME.fullmatch(name))})
    return [_row(fields, f"w.{number}") for number in numbers]


def _row(fields: Fields, at: str) -> WindowRow:
    days = frozenset(day for day in range(7) if fields.get(f"{at}.d{day}"))
    return WindowRow(at, days, fields.get(f"{at}.from", ""), fields.get(f"{at}.to", ""))


def week_of(rows: list[WindowRow]) -> Week:
    """The rules as a request carries them, days in the order of the week."""
    week = Week()
    for day, name in enumerate(WEEKDAYS):
        for row in (row for row in rows if day in row.days):
            spans = week.windows.setdefault(name, [])
            here = f"/{name}/{len(spans)}"
            spans.append({"run_start_time": row.start, "run_end_time": row.end})
            week.names |= {
                here: f"{row.at}.from",
                f"{here}/run_start_time": f"{row.at}.from",
                f"{here}/run_end_time": f"{row.at}.to",
            }
    week.dayless = [row.at for row in rows if not row.days]
    return week


def fields_of(windows: Mapping[str, Any]) -> dict[str, str]:
    """The fields that say these windows: days with the same span share a rule."""
    days: dict[tuple[str, str], set[int]] = {}
    for day, name in enumerate(WEEKDAYS):
        for span in windows.get(name) or ():
            days.setdefault((span["run_start_time"], span["run_end_time"]), set()).add(day)
    return _fields([(sorted(found), start, end) for (start, end), found in days.items()])


def preset(name: str) -> dict[str, str]:
    """The fields of a week that many want."""
    return _fields(PRESETS[name][1]) if name in PRESETS else {}


def _fields(rules: Any) -> dict[str, str]:
    made: dict[str, str] = {}
    for number, (days, start, end) in enumerate(rules):
        made |= {f"w.{number}.d{day}": "1" for day in days}
        made |= {f"w.{number}.from": start, f"w.{number}.to": end}
    return made


def edited(fields: Fields, what: str, at: str) -> dict[str, str]:
    """The fields after a rule was added, or the one there was taken out, or all gave way to a preset."""
    if what == "unwindow":
        return {name: value for name, value in fields.items() if not name.startswith(at + ".")}
    if what == "preset":
        return {name: value for name, value in fields.items() if not _NAME.fullmatch(name)} | preset(at)
    new = max((int(row.at[2:]) for row in rows_of(fields)), default=-1) + 1
    return dict(fields) | {f"w.{new}.from": _NIGHT[0], f"w.{new}.to": _NIGHT[1]}
