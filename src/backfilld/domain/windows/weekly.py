"""When a backfill may run, as people say it: "Friday 22:00 to 06:00".

This module reads what a caller wrote, finds everything that is wrong with it at once, and keeps it as plain numbers of
a week. What the windows mean as instants is the business of `openings`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from backfilld.domain.errors import FAULTS_SHOWN, Fault, did_you_mean, nearest, pointer

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = 86_400
WEEK = 7 * DAY
MOST_PER_DAY = 24

_KEYS = ("run_start_time", "run_end_time")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_END_OF_DAY = ("24:00", "24:00:00")
_LONGEST_NAME = 64


class Span(NamedTuple):
    """From `start` until before `end`, in seconds of local time since the midnight its day began with.

    0 <= start < DAY and start < end; an `end` after DAY lies in the next day.
    """

    start: int
    end: int

    def __str__(self) -> str:
        return f"{_short(self.start)}-{_short(self.end)}"


@dataclass(frozen=True, slots=True)
class WeeklyWindows:
    """The windows of a week, Monday first; each day's are sorted, merged and do not overlap.

    A window belongs to the day it starts on, also where it reaches into the next.
    """

    days: tuple[tuple[Span, ...], ...]

    ALWAYS: ClassVar["WeeklyWindows"]

    @property
    def always_open(self) -> bool:
        """Whether every second of every week lies in a window."""
        reach = max(0, *(end - DAY for _, end in self.days[6])) if self.days[6] else 0
        for number, spans in enumerate(self.days):
            for start, end in spans:
                if number * DAY + start > reach:
                    return False
                reach = max(reach, number * DAY + end)
        return reach >= WEEK

    def effective(self) -> dict[str, list[dict[str, str]]]:
        """In the shape of a request, all seven days, times as `HH:MM:SS`; reads back as equal windows."""
        return {
            day: [{"run_start_time": _clock(span.start), "run_end_time": _clock(_end(span))} for span in spans]
            for day, spans in zip(WEEKDAYS, self.days, strict=True)
        }


WeeklyWindows.ALWAYS = WeeklyWindows(((Span(0, DAY),),) * 7)


def parse_windows(value: object, path: str) -> tuple[WeeklyWindows | None, list[Fault], list[str]]:
    """What a caller wrote as `daily_execution_windows`: the windows (None if there are faults), faults, warnings."""
    if not isinstance(value, Mapping):
        return None, [Fault(path, "invalid_type", "must be an object with the keys monday … sunday")], []
    faults: list[Fault] = []
    written: list[list[Span]] = [[] for _ in WEEKDAYS]
    for key, entries in value.items():
        if len(faults) >= FAULTS_SHOWN:
            break
        here = path + pointer(key)
        if key in WEEKDAYS:
            faults += _read_day(entries, here, written[WEEKDAYS.index(key)])
        else:
            faults.append(_unknown(key, WEEKDAYS, here, "a day; the days are monday … sunday"))
    if not faults and not any(written):
        hint = 'give at least one day a window, as {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}'
        faults.append(Fault(path, "no_execution_windows", f"no day has a window, so nothing would ever run; {hint}"))
    if faults:
        return None, faults[:FAULTS_SHOWN], []
    windows = WeeklyWindows(tuple(tuple(_merge(spans)) for spans in written))
    return windows, [], [*_overlaps_within(written), *_overlaps_across(windows)]


def _read_day(entries: object, path: str, into: list[Span]) -> list[Fault]:
    if entries is None:
        return []
    if not isinstance(entries, list):
        return [Fault(path, "invalid_type", "must be a list of {run_start_time, run_end_time}, or empty for closed")]
    if len(entries) > MOST_PER_DAY:
        return [Fault(path, "too_many_windows", f"has {len(entries)} windows; a day may have {MOST_PER_DAY}")]
    faults: list[Fault] = []
    for number, entry in enumerate(entries):
        if len(faults) >= FAULTS_SHOWN:
            break
        span, wrong = _read_entry(entry, path + pointer(number))
        faults += wrong
        if span is not None:
            into.append(span)
    return faults


def _read_entry(entry: object, path: str) -> tuple[Span | None, list[Fault]]:
    if not isinstance(entry, Mapping):
        return None, [Fault(path, "invalid_type", "must be an object with run_start_time and run_end_time")]
    unknown = [key for key in entry if key not in _KEYS][:FAULTS_SHOWN]
    faults = [_unknown(key, _KEYS, path + pointer(key), "part of a window") for key in unknown]
    times: list[int] = []
    for key in _KEYS:
        time = _read_time(entry, key, path + pointer(key))
        if isinstance(time, Fault):
            faults.append(time)
        else:
            times.append(time)
    if len(times) == 2:
        start, end = times
        if start == end:
            whole_day = "for the whole day write 00:00 to 24:00"
            faults.append(Fault(path, "window_zero_length", f"starts and ends at {_short(start)}; {whole_day}"))
        elif not faults:
            return Span(start, end if end > start else end + DAY), []
    return None, faults


def _read_time(entry: Mapping[str, Any], key: str, path: str) -> int | Fault:
    if key not in entry:
        return Fault(path, "missing", "is required, as HH:MM")
    text = entry[key]
    if isinstance(text, str):
        if found := _TIME.fullmatch(text):
            hours, minutes, seconds = found.groups(default="0")
            return int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        if text in _END_OF_DAY:
            return (
                DAY if key == "run_end_time" else Fault(path, "invalid_time", "24:00 can only be an end; write 00:00")
            )
    shown = repr(text[:_LONGEST_NAME]) if isinstance(text, str) else f"a {type(text).__name__}"
    wanted = "write two digits each, HH:MM or HH:MM:SS, in local time without an offset"
    return Fault(path, "invalid_time", f"{shown} is not a time of day; {wanted}")


def _unknown(key: object, known: tuple[str, ...], path: str, what: str) -> Fault:
    name = str(key)[:_LONGEST_NAME]
    message = f"{name!r} is not {what}{did_you_mean(name, known)}"
    return Fault(path, "unknown_field", message, nearest(name, known) or known)


def _merge(spans: list[Span]) -> Iterator[Span]:
    """The same seconds in the fewest spans that can still be written down."""
    blocks: list[tuple[Span, Span]] = []  # what is covered without a gap, and the span that reaches its end
    for span in sorted(spans):
        if not blocks or span.start > blocks[-1][0].end:
            blocks.append((span, span))
        elif span.end > blocks[-1][0].end:
            blocks[-1] = Span(blocks[-1][0].start, span.end), span
    for block, last in blocks:
        if _can_be_written(block):
            yield block
        else:
            yield Span(block.start, last.start)
            yield last


def _can_be_written(span: Span) -> bool:
    """A window reaches to just before its start on the next day, or from midnight to midnight."""
    return span.end - span.start < DAY or span == (0, DAY)


def _overlaps_within(written: list[list[Span]]) -> Iterator[str]:
    for day, spans in zip(WEEKDAYS, written, strict=True):
        reaching: Span | None = None
        for span in sorted(spans):
            if reaching is not None and span.start < reaching.end:
                yield f"{day}: the windows {reaching} and {span} overlap; they count as one"
            if reaching is None or span.end > reaching.end:
                reaching = span


def _overlaps_across(windows: WeeklyWindows) -> Iterator[str]:
    for number, spans in enumerate(windows.days):
        following = windows.days[(number + 1) % 7]
        if spans and following and spans[-1].end - DAY > following[0].start:
            day, next_day = WEEKDAYS[number], WEEKDAYS[(number + 1) % 7]
            yield f"{day} {spans[-1]} reaches into {next_day} {following[0]}; they count as one"


def _end(span: Span) -> int:
    return span.end if span.end <= DAY else span.end - DAY


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _short(second: int) -> str:
    text = _clock(second if second <= DAY else second - DAY)
    return text.removesuffix(":00") if text.count(":") == 2 and text.endswith(":00") else text
