"""The form of a backfill of a schedule, and the request that it asks with, either way."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo

from backfilld.domain.errors import Fault
from backfilld.domain.schedules import Schedule
from backfilld.domain.schedules.moments import parse_moment
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.operations.sessions.survey import Survey
from backfilld.web.fields import window_fields

Fields = Mapping[str, str]
_PINS = ("pin.of", "pin.from", "pin.count", "digest")
_PLACES = {
    "/fromTime": "from", "/toTime": "to", "/count": "count", "/attemptName": "name", "/skipExisting": "sessions",
    "/skipSucceeded": "sessions", "/maxInFlight": "max_in_flight", "/windowTimezone": "window_timezone",
    "/dailyExecutionWindows": "w.0.from",
}  # fmt: skip
_PICKED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?)?")
LONGEST_NUMBER = 9  # digits
USUAL_SLOTS = 7


@dataclass(slots=True)
class Asked:
    """The request, what is wrong with fields in themselves, and where a fault of the request is mended."""

    request: ScheduleBackfillRequest
    faults: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def field_of(self, fault: Fault) -> str:
        """The name of the field that a fault is about; "" if it is about none."""
        path = fault.path
        while path and path not in self.names:
            path = path.rpartition("/")[0]
        return self.names.get(path, "")


def asked_of(fields: Fields, zone: tzinfo) -> Asked:
    """What the form asks for. What moves the schedule on is as it would have been scheduled: without a name, and
    only where there is nothing."""
    faults: dict[str, str] = {}
    advances = bool(fields.get("advance"))
    choice = "existing" if advances else fields.get("sessions", "")
    week = window_fields.week_of(window_fields.rows_of(fields))
    faults |= {f"{at}.from": "choose the days on which it is open" for at in week.dayless}
    request = ScheduleBackfillRequest(
        dry_run=False,
        from_time=_time(fields, "from", zone, faults),
        to_time=_time(fields, "to", zone, faults),
        attempt_name=None if advances else fields.get("name") or None,
        count=_number(fields, "count", faults),
        skip_existing=choice == "existing",
        skip_succeeded=choice == "succeeded",
        advance_schedule=advances,
        max_in_flight=_number(fields, "max_in_flight", faults) or 1,
        windows=week.windows or None,
        window_timezone=(fields.get("window_timezone") or None) if week.windows else None,
        stop_on_failure=bool(fields.get("stop")),
    )
    names = _PLACES | {"/dailyExecutionWindows" + at: name for at, name in week.names.items()}
    return Asked(request, faults, names)


def _time(fields: Fields, name: str, zone: tzinfo, faults: dict[str, str]) -> datetime | None:
    text = fields.get(name, "")
    if not text:
        return None
    found = parse_moment(text.replace(" ", "T", 1), f"/{name}", zone)
    if isinstance(found, Fault):
        faults[name] = found.message
        return None
    return found


def _number(fields: Fields, name: str, faults: dict[str, str]) -> int | None:
    text = fields.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER):
        faults[name] = "must be a whole number"
        return None
    return int(text)


def is_picked(text: str) -> bool:
    """Whether a browser's own control for dates and times can show it."""
    return _PICKED.fullmatch(text) is not None


def local_text(at: datetime, zone: tzinfo) -> str:
    """A time as such a control has it; with its offset where the clocks show it twice."""
    local = at.astimezone(zone)
    text = f"{local:%Y-%m-%dT%H:%M:%S}" if local.second else f"{local:%Y-%m-%dT%H:%M}"
    is_twice = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
    return local.isoformat(timespec="seconds") if is_twice else text


def usual(schedule: Schedule, position: datetime, zone: tzinfo, now: datetime) -> dict[str, str]:
    """The fields to begin with: the last few slots, each run again under a name that nobody has used."""
    at, found = position, None
    for _ in range(USUAL_SLOTS):
        slot = schedule.previous(at)
        if slot is None:
            break
        at, found = slot.session_time, slot
    start = local_text(schedule.moment_of(found), zone) if found else ""
    name = f"backfill-{now.astimezone(zone):%Y%m%d-%H%M}"
    return {"from": start, "name": name, "max_in_flight": "1", "sessions": "all"}


def between(schedule: Schedule, first: datetime, last: datetime, zone: tzinfo) -> dict[str, str]:
    """The fields that ask for what has no session between two session times, both included."""
    slot, behind = schedule.next(first - timedelta(seconds=1)), schedule.next(last)
    if slot is None:
        return {}
    to = local_text(behind.session_time, zone) if behind else ""
    return {"from": local_text(schedule.moment_of(slot), zone), "to": to, "sessions": "existing", "name": ""}


def pins(fields: Fields, survey: Survey, schedule: Schedule) -> dict[str, str]:
    """Hidden fields that bind what is sent to what was shown: its first slot, how many, and what would be made."""
    if not survey.fates:
        return {}
    start = schedule.moment_of(survey.fates[0].slot)
    return {
        "pin.of": _seen(fields), "pin.from": start.astimezone(UTC).isoformat(), "pin.count": str(len(survey.fates)),
        "digest": survey.digest,
    }  # fmt: skip


def pinned(fields: Fields, request: ScheduleBackfillRequest) -> ScheduleBackfillRequest | None:
    """The request for exactly what was shown; None: the form was changed since, or nothing was shown."""
    if not fields.get("digest") or fields.get("pin.of") != _seen(fields):
        return None
    try:
        start, count = datetime.fromisoformat(fields.get("pin.from", "")), int(fields.get("pin.count", ""))
    except ValueError:
        return None
    if start.tzinfo is None:
        return None
    return replace(request, from_time=start, count=count, plan_digest=fields["digest"])


def _seen(fields: Fields) -> str:
    """A digest of what somebody has put into the form."""
    put = sorted((name, value) for name, value in fields.items() if name not in _PINS and value)
    return hashlib.sha256(repr(put).encode()).hexdigest()[:16]
