"""What a schedule's definition says, in a few words."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT = [day[:3].lower() for day in _DAYS]
_NUMBER = re.compile(r"[0-9]{1,2}")


def in_words(definition: Any) -> str:
    """`every day at 07:00`; what has no short way to be said comes as it is written."""
    if not isinstance(definition, Mapping):
        return "a schedule that cannot be read"
    found = next(((key, value) for key, value in definition.items() if str(key).endswith(">")), None)
    if found is None:
        return "a schedule that cannot be read"
    said = _rhythm(found[0], str(found[1])) or f"{found[0][:-1].replace('_', ' ')} {found[1]}"
    parts = [said]
    if definition.get("delay"):
        parts.append(f"{definition['delay']} s late")
    if definition.get("start"):
        parts.append(f"from {definition['start']}")
    if definition.get("end"):
        parts.append(f"until {definition['end']}")
    return ", ".join(parts)


def _rhythm(key: str, value: str) -> str:
    match key:
        case "hourly>":
            return f"every hour at :{_short(value)}"
        case "daily>":
            return f"every day at {_short(value)}"
        case "weekly>":
            day, _, time = value.partition(",")
            return f"every {_day(day.strip()) or day} at {_short(time.strip())}"
        case "monthly>":
            day, _, time = value.partition(",")
            return f"on day {day.strip()} of each month at {_short(time.strip())}"
        case "minutes_interval>":
            return "every minute" if value == "1" else f"every {value} minutes"
        case "seconds_interval>":
            return "every second" if value == "1" else f"every {value} seconds"
        case "cron>":
            return _cron(value.split())
    return ""


def _cron(fields: Sequence[str]) -> str:
    """The patterns that most people write; "" for all others."""
    if len(fields) != 5:
        return ""
    minute, hour, day, month, weekday = fields
    if month != "*":
        return ""
    if hour == day == weekday == "*":
        return _cron_minute(minute)
    if not (_NUMBER.fullmatch(minute) and _NUMBER.fullmatch(hour)):
        return ""
    at = f"at {int(hour):02}:{int(minute):02}"
    if day == weekday == "*":
        return f"every day {at}"
    if day == "*":
        return f"{_cron_days(weekday)} {at}" if _cron_days(weekday) else ""
    return f"on day {day} of each month {at}" if weekday == "*" and _NUMBER.fullmatch(day) else ""


def _cron_minute(minute: str) -> str:
    if minute == "*":
        return "every minute"
    if minute.startswith("*/") and _NUMBER.fullmatch(minute[2:]):
        return f"every {int(minute[2:])} minutes"
    return f"every hour at :{int(minute):02}" if _NUMBER.fullmatch(minute) else ""


def _cron_days(text: str) -> str:
    if text.casefold() in ("1-5", "mon-fri"):
        return "Monday to Friday"
    if "-" in text or "/" in text:
        return ""
    days = [_day(part) for part in text.split(",")]
    return "every " + " and ".join(days) if all(days) and len(days) <= 2 else ", ".join(day[:3] for day in days)


def _day(text: str) -> str:
    if text.isdigit() and len(text) == 1 and int(text) <= 7:
        return _DAYS[int(text)]
    name = text.casefold()[:3]
    return _DAYS[_SHORT.index(name)] if name in _SHORT else ""


def _short(time: str) -> str:
    """Without seconds that are none: `09:00` of `09:00:00`, `30` of `30:00`."""
    return time.removesuffix(":00") if time.count(":") else time
