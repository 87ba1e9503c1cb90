"""When a backfill may run, from what is stored of it."""

import json
from functools import lru_cache
from zoneinfo import ZoneInfo

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.timezones import find_zone
from backfilld.domain.windows.weekly import WeeklyWindows, parse_windows

UTC = ZoneInfo("UTC")


class UnreadableWindows(Exception):
    """Another version stored them, or their zone has left the tz data since; the message says which."""


def zone_of(backfill: Backfill) -> ZoneInfo:
    """Its time zone. UnreadableWindows: tz data may have been exchanged since it was made."""
    zone = find_zone(backfill.settings.timezone)
    if zone is None:
        raise UnreadableWindows(f"the time zone {backfill.settings.timezone!r} is not in this tz data")
    return zone


def shown_zone(backfill: Backfill) -> ZoneInfo:
    """The zone in which people are told its times; UTC if its own is gone."""
    return find_zone(backfill.settings.timezone) or UTC


def calendar_of(backfill: Backfill) -> Calendar | None:
    """The windows of a backfill in their zone; None: always open. UnreadableWindows."""
    zone = zone_of(backfill)
    written = backfill.settings.daily_execution_windows
    if written is None:
        return None
    windows = _windows_of(json.dumps(written, sort_keys=True))
    if isinstance(windows, str):
        raise UnreadableWindows(windows)
    return Calendar(windows, zone, backfill.settings.excluded_dates, backfill.override_until)


@lru_cache(maxsize=1_000)
def _windows_of(written: str) -> WeeklyWindows | str:
    """What is written, as JSON; or why it cannot be read. Many share their windows, and all are looked at often."""
    windows, faults, _ = parse_windows(json.loads(written), "/daily_execution_windows")
    if windows is None or faults:
        why = f"{faults[0].path}: {faults[0].message}" if faults else "there are none"
        return f"its windows cannot be read: {why}"
    return windows
