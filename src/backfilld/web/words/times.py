"""Times as people read them: in one zone, which is named once where they stand."""

from datetime import UTC, datetime, timedelta, tzinfo

_WEEKDAY_SUFFICES = timedelta(days=6)


def iso(at: datetime) -> str:
    """For machines: what scripts and screen readers take the time from."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def place(zone: tzinfo) -> str:
    """`New York`."""
    return place_of(str(zone))


def for_input(at: datetime, zone: tzinfo) -> str:
    """As a field for a local time takes it."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def of_input(text: str, zone: tzinfo) -> datetime:
    """What such a field says; of a time that the clocks show twice the first. ValueError says what is wrong."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no time; write it as 2026-11-30T22:00") from None
    if local.tzinfo is not None:
        return local
    at = local.replace(tzinfo=zone)
    try:
        instant = at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None
    if instant.astimezone(zone).replace(tzinfo=None) != local:
        raise ValueError(f"does not exist in {place(zone)}: the clocks are put forward over it")
    return instant


def place_of(name: str) -> str:
    """The same of a zone's name."""
    return name if name.startswith("Etc/") else name.rpartition("/")[2].replace("_", " ")


def clock_time(at: datetime, zone: tzinfo, now: datetime, *, seconds: bool = False) -> str:
    """`Wed 03:43`; with the date where a weekday could be another week's."""
    local = at.astimezone(zone)
    time = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    if local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset():
        time += local.strftime(" UTC%z")  # the clocks show it twice
    return f"{local:%a} {time}" if abs(at - now) < _WEEKDAY_SUFFICES else f"{local:%Y-%m-%d} {time}"


def whole(at: datetime, zone: tzinfo) -> str:
    """With everything: what a pointer that rests on a time is shown."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} {place(zone)} · {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float | None) -> str:
    """`12 ms`, `1.3 s`, `26 m`, `3 h 12 m`, `2 d 4 h`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{int(seconds)} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} m" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def relative(at: datetime, now: datetime) -> str:
    """`in 6 m`, `26 m ago`, `now`."""
    seconds = (at - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    told = duration(float(int(abs(seconds))) if abs(seconds) >= 1 else 0)
    told = told.replace(".0 s", " s")
    return f"in {told}" if seconds > 0 else f"{told} ago"
