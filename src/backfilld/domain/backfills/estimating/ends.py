"""When a backfill will begin and end, by all that is known to bound its speed: one answer for whoever asks.

Previews, answers, pages and explanations estimate by this. A limit more never makes an end earlier, since each only
slows the work down, or makes it wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.estimating.allowances import Allowance, Spending
from backfilld.domain.backfills.progress import finish_at
from backfilld.domain.windows.openings import FARTHEST_FINISH, Calendar

AT_ONCE = 1e9  # requests a second of a plan that is being made: nothing but the allowance slows it down
LEAST_OPEN_SHARE = 0.01
MINUTE = 60.0


class Unknown(StrEnum):
    """Why nobody can tell when it ends."""

    NEVER_OPENS = "its windows never open"
    NOT_COUNTED = "how much would run is not known"
    NO_SPEED = "nothing of it has run yet to tell its speed"
    ALWAYS_BRAKED = "brakes held it for all of the last open day"
    TOO_FAR = "it is more than ten years away"


@dataclass(frozen=True, slots=True)
class Bound:
    """So many items a second at most, all the time. `what` as limits are named; `name`: whose it is, or who sets it.

    `value` is the limit as it is written, in its own unit, and `others` how many share it.
    """

    what: str
    per_second: float
    value: float
    name: str | None = None
    others: int = 0


Limiting = Bound | Allowance


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be done, and what slows it down.

    `items` None: not counted. `speed`: items a second that it does by itself while it may, None: nobody knows. Nothing
    starts before `not_before`. `open_share` is how much of the open time brakes left of late. A plan that is still to
    be made is made at any hour if `plans_any_time`, else within the windows.
    """

    now: datetime
    calendar: Calendar | None
    items: int | None
    speed: float | None
    bounds: Sequence[Bound] = ()
    allowances: Sequence[Allowance] = ()
    not_before: datetime | None = None
    open_share: float = 1.0
    plans_any_time: bool = True


@dataclass(frozen=True, slots=True)
class Estimate:
    """`completion_at` None: `unknown` says why; it is not before `earliest_at` then, where the limits tell that much.

    `limited_by`: what makes it end no sooner; None: its own speed.
    """

    start_at: datetime | None
    completion_at: datetime | None
    unknown: Unknown | None = None
    limited_by: Limiting | None = None
    earliest_at: datetime | None = None


def estimate(work: Workload) -> Estimate:
    """When it begins, and when it will be done."""
    start = _start(work)
    if start is None:
        return Estimate(None, None, Unknown.NEVER_OPENS)
    if work.items is None:
        return Estimate(start, None, Unknown.NOT_COUNTED)
    if work.items == 0:
        return Estimate(start, start)
    if work.open_share < LEAST_OPEN_SHARE:
        return Estimate(start, None, Unknown.ALWAYS_BRAKED)
    if work.speed is None:
        by_limits = estimate(replace(work, speed=AT_ONCE)) if work.bounds or work.allowances else None
        at = None if by_limits is None or by_limits.limited_by is None else by_limits.completion_at
        return Estimate(start, None, Unknown.NO_SPEED, earliest_at=at)
    steady, bound = _steadily(work, work.speed)
    end = finish_at(work.calendar, start, work.items, steady)
    limiting: Limiting | None = bound
    for allowance in work.allowances:
        last = _within(work, allowance, start, steady)
        if last is None:
            return Estimate(start, None, Unknown.TOO_FAR, allowance)
        if end is not None and last > end:
            end, limiting = last, allowance
    if end is None:
        return Estimate(start, None, Unknown.TOO_FAR, bound)
    return Estimate(start, end, None, limiting)


def own_bounds(settings: BackfillSettings) -> list[Bound]:
    """What a backfill sets itself: its pace."""
    rate = settings.starts_per_minute
    return [] if rate is None else [Bound("starts_per_minute", rate / MINUTE, rate)]


def between(work: Workload, slow: float, fast: float) -> tuple[datetime, datetime] | None:
    """The ends at two other speeds, the earlier first; None where one is not known."""
    first, last = (estimate(replace(work, speed=speed)).completion_at for speed in (fast, slow))
    return None if first is None or last is None else (first, last)


def items_per_minute(limit: Limiting) -> float | None:
    """What a limit comes to in the long run; None where it costs an item nothing."""
    if isinstance(limit, Bound):
        return limit.per_second * MINUTE
    return limit.requests / limit.seconds / limit.per_item * MINUTE if limit.per_item else None


def _steadily(work: Workload, speed: float) -> tuple[float, Bound | None]:
    """Items a second of open time, and the bound that makes it no more, if one does."""
    tightest = min(work.bounds, key=lambda bound: bound.per_second, default=None)
    if tightest is not None and tightest.per_second < speed:
        return tightest.per_second * work.open_share, tightest
    return speed * work.open_share, None


def _start(work: Workload) -> datetime | None:
    """When the first of it may start: the plan is made then, and a window is open."""
    if work.calendar is not None and work.calendar.next_opening(max(_known(work.now, work.not_before))) is None:
        return None  # so far ahead nobody looks, wherever the limits alone would lead
    ready = max(_known(work.now, work.not_before, *(one.until for one in work.allowances if one.is_needed)))
    for allowance in work.allowances:
        if allowance.first:
            calendar = None if work.plans_any_time else work.calendar
            planned = Spending(allowance, ready).spend(allowance.first, AT_ONCE, calendar, ready)
            ready = max(_known(ready, planned))
    if work.calendar is None:
        return ready
    opening = work.calendar.next_opening(ready)
    return None if opening is None else max(opening.opens_at, ready)


def _within(work: Workload, allowance: Allowance, start: datetime, steady: float) -> datetime | None:
    """When the requests of all items are made, if nothing but this allowance and the speed slowed them down."""
    needed = (work.items or 0) * allowance.per_item
    if not needed:
        return start
    if needed / allowance.requests * allowance.seconds > FARTHEST_FINISH.total_seconds():
        return None
    spending = Spending(allowance, start if not allowance.first else work.now)
    if allowance.first:
        spending.spend(allowance.first, AT_ONCE, None if work.plans_any_time else work.calendar, work.now)
    return spending.spend(needed, steady * allowance.per_item, work.calendar, start)


def _known(*instants: datetime | None) -> Iterable[datetime]:
    return [instant for instant in instants if instant is not None]
