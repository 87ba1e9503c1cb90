"""How backfills went: the samples that charts are drawn from, and the rate that estimates stand on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from backfilld.clock import Clock
from backfilld.domain.backfills.open_rates import OpenRate, Point, open_rate
from backfilld.domain.backfills.records import Backfill, Progress
from backfilld.domain.backfills.states import ACTIVE
from backfilld.domain.calendars import UnreadableWindows, calendar_of
from backfilld.domain.errors import Fault, Invalid
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool
from backfilld.store.history.progress_points import ProgressPoints

MOST_SAMPLES = 1_500
SHORTEST_STEP = timedelta(minutes=1)
LOOKED_AT = 100  # points of a backfill, for its rate: an open hour and some that stood still
FRESH_SECONDS = 20.0
MOST_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Samples:
    """Cumulative counters, the last of each step, oldest first; `step` may be longer than was asked for."""

    points: Sequence[Point]
    step: timedelta


class History:
    """Points as they were written down, and the present as the last one."""

    def __init__(self, pool: Pool, store: BackfillStore, clock: Clock) -> None:
        self._points = ProgressPoints(pool)
        self._store = store
        self._clock = clock
        self._rates: dict[int, tuple[float, OpenRate | None]] = {}

    async def samples(
        self, id: UUID, since: datetime | None, until: datetime | None, step: timedelta | None
    ) -> Samples:
        """What is known between two moments (default: all). NotFound; Invalid where `until` is not later."""
        backfill, progress = await self._store.get_with_progress(id)
        now = self._clock.now()
        bounds = await self._points.find_bounds(backfill.number) or (now, now)
        is_current = until is None or until > now
        since = bounds[0] if since is None else since
        until = max(bounds[1], since) + SHORTEST_STEP if until is None else until
        if until <= since:
            raise Invalid([Fault("/query/to", "out_of_range", "must be later than `from`")])
        step = _step(step, until - since)
        points = await self._points.list_samples(backfill.number, since, until, step)
        if is_current and backfill.status in ACTIVE:
            points.append(_present(backfill, progress, now))
        return Samples(points, step)

    async def rates(self, backfills: Iterable[Backfill]) -> dict[int, OpenRate]:
        """How fast each is while it may work, where that is known. Looked up again after a while only."""
        known = [one for one in backfills if one.status in ACTIVE and one.planned_at is not None]
        now = self._clock.monotonic()
        stale = [one for one in known if now - self._rates.get(one.number, (-FRESH_SECONDS, None))[0] >= FRESH_SECONDS]
        if stale:
            if len(self._rates) > MOST_REMEMBERED:
                self._rates.clear()
            latest = await self._points.list_latest([one.number for one in stale], most=LOOKED_AT)
            self._rates |= {one.number: (now, _rate(one, latest[one.number])) for one in stale}
        found = {one.number: self._rates[one.number][1] for one in known if one.number in self._rates}
        return {number: rate for number, rate in found.items() if rate is not None}


def _rate(backfill: Backfill, points: Sequence[Point]) -> OpenRate | None:
    try:
        return open_rate(points, calendar_of(backfill), since=backfill.planned_at)
    except UnreadableWindows:
        return None


def _step(asked: timedelta | None, length: timedelta) -> timedelta:
    """As asked for, if that makes not too many samples; whole minutes."""
    least = max(SHORTEST_STEP, asked or SHORTEST_STEP, length / MOST_SAMPLES)
    return timedelta(minutes=-(-least // timedelta(minutes=1)))


def _present(backfill: Backfill, progress: Progress, now: datetime) -> Point:
    code = None if backfill.reason is None else str(backfill.reason.code)
    return Point(
        now, progress.succeeded, progress.failed, progress.skipped, progress.cancelled, progress.retrying,
        progress.in_flight, progress.credits_used, code,
    )  # fmt: skip
