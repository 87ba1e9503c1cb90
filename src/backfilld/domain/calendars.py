"""When a backfill may run, from what is stored of it."""

from zoneinfo import ZoneInfo

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.timezones import find_zone
from backfilld.domain.windows.weekly import parse_windows

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
    windows, faults, _ = parse_windows(dict(written), "/daily_execution_windows")
    if windows is None or faults:
        why = f"{faults[0].path}: {faults[0].message}" if faults else "there are none"
        raise UnreadableWindows(f"its windows cannot be read: {why}")
    return Calendar(windows, zone, backfill.settings.excluded_dates, backfill.override_until)
