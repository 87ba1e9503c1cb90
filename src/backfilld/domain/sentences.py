"""Sentences with typed parts: a time, a count, a name stand in them as values, and whoever shows them writes them out.

A text is written once, as `The next opening starts {until:time}[, by {who:name}].` A part in brackets is left out where
its value is not known. How far off a time is (`{until:in}`, `{since:ago}`) is known only to whoever is told it at a
known moment: what is kept says the time itself, or nothing where that stands in brackets.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from string import Formatter
from typing import Any, Literal

Kind = Literal["time", "in", "ago", "count", "name", "text"]
RELATIVE = frozenset({"in", "ago"})

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_WEEKDAY_SUFFICES = timedelta(days=6)
_A_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Part:
    """A value in a sentence."""

    type: Kind
    value: Any


Sentence = tuple[str | Part, ...]


def placeholders(text: str) -> frozenset[str]:
    """The names that stand in `text`."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text.replace("[", "").replace("]", "")) if name)


def required(text: str) -> frozenset[str]:
    """The names of values without which `text` cannot be said."""
    return placeholders(_OPTIONAL.sub("", text))


def fill(text: str, values: Mapping[str, Any], now: datetime | None = None) -> Sentence:
    """`text` with its values, for somebody who reads it `now`. KeyError for one that is missing outside of brackets."""

    def known(match: re.Match[str]) -> str:
        inner = match.group(1)
        is_timeless = now is None and any(kind in RELATIVE for _, _, kind, _ in Formatter().parse(inner))
        return "" if is_timeless or any(values.get(name) is None for name in placeholders(inner)) else inner

    return tuple(_parts(_OPTIONAL.sub(known, text), values))


def _parts(text: str, values: Mapping[str, Any]) -> Iterator[str | Part]:
    for literal, name, kind, _ in Formatter().parse(text):
        if literal:
            yield literal
        if name is not None:
            yield Part(kind or "text", values[name])  # type: ignore[arg-type]  # texts are ours, and a test reads them all


def plain(sentence: Sentence, zone: tzinfo, now: datetime | None = None) -> str:
    """The sentence as text, its times as the clocks of `zone` show them."""
    return "".join(part if isinstance(part, str) else _written(part, zone, now) for part in sentence)


def _written(part: Part, zone: tzinfo, now: datetime | None) -> str:
    if part.type in RELATIVE and now is None:
        return f"at {told_time(part.value, zone)}"
    if part.type == "in" and now is not None:
        return f"in {span(part.value - now)}" if part.value > now else "now"
    if part.type == "ago" and now is not None:
        return f"{span(now - part.value)} ago" if now - part.value >= _A_MOMENT else "just now"
    if part.type == "time":
        return "now" if part.value is None else told_time(part.value, zone, now)
    return f"{part.value:,}" if part.type == "count" else str(part.value)


def span(length: timedelta) -> str:
    """`2 d 12 h`, `3 h 12 m`, `12 m`, `38 s`: as much as one wants to know."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    for unit, name, below, small in ((1440, "d", 60, "h"), (60, "h", 1, "m")):
        if minutes >= unit:
            rest = minutes % unit // below
            return f"{minutes // unit} {name}" + (f" {rest} {small}" if rest else "")
    return f"{minutes} m"


def told_time(at: datetime, zone: tzinfo, now: datetime | None = None) -> str:
    """`Mon 22:00 New York`; with its date where the weekday alone could be another week's."""
    local = at.astimezone(zone)
    day = "%a" if now is not None and abs(at - now) < _WEEKDAY_SUFFICES else "%a %Y-%m-%d"
    time = "%H:%M:%S" if local.second else "%H:%M"
    again = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
    offset = local.strftime(" UTC%z") if again else ""  # the clocks show it twice
    return f"{local.strftime(f'{day} {time}')}{offset} {_place(zone)}"


def _place(zone: tzinfo) -> str:
    key = str(zone)
    return key if key.startswith("Etc/") else key.rpartition("/")[2].replace("_", " ")
