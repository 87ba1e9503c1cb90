"""What may be asked of a backfill over past times, and what is wrong with it beyond its types.

The paths are those of the dialect's body. Whatever needs a look at sessions comes later, in `schedule_backfills`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from backfilld.domain.errors import Fault
from backfilld.domain.sessions.records import LONGEST_ATTEMPT_NAME
from backfilld.domain.windows.timezones import find_zone, parse_zone
from backfilld.domain.windows.weekly import parse_windows

MOST_IN_FLIGHT = 10


@dataclass(frozen=True, slots=True)
class ScheduleBackfillRequest:
    """`from_time` keeps fractions of a second: they make an exact boundary exclusive. `to_time` is exclusive.

    `max_in_flight` 1 is a serial chain. `windows` as in `daily_execution_windows`; their zone is the workflow's
    unless `window_timezone` says otherwise.
    """

    dry_run: bool
    from_time: datetime | None = None
    attempt_name: str | None = None
    count: int | None = None
    skip_existing: bool = False
    advance_schedule: bool = False
    to_time: datetime | None = None
    max_in_flight: int = 1
    windows: Mapping[str, Any] | None = None
    window_timezone: str | None = None
    stop_on_failure: bool = False
    skip_succeeded: bool = False
    plan_digest: str | None = None  # of a dry run: make exactly that, or nothing

    @property
    def leaves_out(self) -> bool:
        """Whether sessions that are there already may be passed over."""
        return self.skip_existing or self.skip_succeeded


def option_faults(request: ScheduleBackfillRequest, timezone: str, *, most_in_flight: int) -> list[Fault]:
    """Rules among the options; `timezone` is the workflow's."""
    return [*_name_and_time(request), *_bounds(request, most_in_flight), *_window_faults(request, timezone)]


def _name_and_time(request: ScheduleBackfillRequest) -> Iterator[Fault]:
    advance, skip = request.advance_schedule, request.skip_existing
    if advance and not skip:
        yield Fault("/skipExisting", "required", "advanceSchedule needs skipExisting to be true")
    if request.skip_succeeded and skip:
        yield Fault("/skipSucceeded", "conflicting", "says nothing with skipExisting, which leaves out all that ran")
    if request.skip_succeeded and request.attempt_name is None and not skip:
        yield Fault("/attemptName", "required", "skipSucceeded needs one: sessions that failed get a second attempt")
        return
    if advance and request.attempt_name is not None:
        yield Fault("/attemptName", "conflicting", "must be left out with advanceSchedule: attempts are as scheduled")
    if request.attempt_name is None and not (advance or skip):
        yield Fault("/attemptName", "required", "is required unless skipExisting is true")
    if request.from_time is None and not advance:
        yield Fault("/fromTime", "required", "is required unless advanceSchedule is true")


def _bounds(request: ScheduleBackfillRequest, most_in_flight: int) -> Iterator[Fault]:
    if request.count is not None and request.count < 0:
        yield Fault("/count", "out_of_range", f"must not be negative, but is {request.count}")
    if not 1 <= request.max_in_flight <= most_in_flight:
        yield Fault("/maxInFlight", "out_of_range", f"must be 1 to {most_in_flight}")
    if request.from_time and request.to_time and request.to_time <= request.from_time:
        yield Fault("/toTime", "out_of_range", "must be later than fromTime")


def _window_faults(request: ScheduleBackfillRequest, timezone: str) -> Iterator[Fault]:
    if request.window_timezone is not None:
        zone = parse_zone(request.window_timezone, "/windowTimezone")
        if isinstance(zone, Fault):
            yield zone
    if request.windows is None:
        if request.window_timezone is not None:
            yield Fault("/windowTimezone", "conflicting", "says nothing without dailyExecutionWindows")
        return
    yield from parse_windows(dict(request.windows), "/dailyExecutionWindows")[1]
    if request.window_timezone is None and find_zone(timezone) is None:
        message = f"is required: the workflow's time zone is {timezone!r}, and windows need the name of a zone"
        yield Fault("/windowTimezone", "required", message)


def name_fault(name: str) -> Fault | None:
    """What is wrong with the name of an attempt."""
    if not name.strip():
        return Fault("/attemptName", "too_short", "must not be blank")
    if len(name) > LONGEST_ATTEMPT_NAME:
        message = f"must not be longer than {LONGEST_ATTEMPT_NAME} characters, but has {len(name)}"
        return Fault("/attemptName", "too_long", message)
    return None


def zone_of_windows(request: ScheduleBackfillRequest, timezone: str) -> str:
    """The zone that the backfill is shown in, and its windows are read in."""
    wanted = request.window_timezone or timezone
    zone: ZoneInfo | None = find_zone(wanted)
    return wanted if zone is not None else "UTC"
