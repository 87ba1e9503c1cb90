"""A backfill as people see it: settings, counters and what can be reckoned from them, of one moment."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.backfills.estimating.allowances import Allowance
from backfilld.domain.backfills.estimating.ends import Bound, Estimate, Workload, between, estimate, own_bounds
from backfilld.domain.backfills.explaining import Explanation, Standing, explain
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.owner.word import OwnersWord
from backfilld.domain.backfills.progress import Counts, counts
from backfilld.domain.backfills.records import Backfill, Progress
from backfilld.domain.backfills.states import ENDED, STARTABLE, ReasonCode
from backfilld.domain.calendars import UnreadableWindows, calendar_of
from backfilld.domain.windows.openings import Calendar, WindowState
from backfilld.engine.control import Control, Live
from backfilld.engine.surroundings import Work
from backfilld.operations.backfills.holding import (
    MAY_START,
    OWNED,
    counted,
    first_of,
    known_of,
    reasons_of,
    unheard_of,
)
from backfilld.operations.estimating.speeds import UNKNOWN_SPEED, Speed, Speeds

log = logging.getLogger(__name__)

# Nothing starts, and nobody can tell until when: a pace of before, or an end reckoned by it, would be made up.
NO_PACE = frozenset(ReasonCode) - {
    ReasonCode.OUTSIDE_WINDOW,
    ReasonCode.WAITING_FOR_RETRY,
    ReasonCode.RATE_LIMITED,
    ReasonCode.WAITING_FOR_CAPACITY,
    ReasonCode.RECOVERING,
    ReasonCode.SOURCE_BUDGET,
}
# When it is known that nothing starts before, and that something may then.
HOLDS_UNTIL = frozenset({ReasonCode.RATE_LIMITED, ReasonCode.WAITING_FOR_RETRY, ReasonCode.SOURCE_BUDGET})


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """`override_until` is to come: its windows count as open until then."""

    open: bool
    next_open_at: datetime | None
    closes_at: datetime | None
    override_until: datetime | None = None


ALWAYS_OPEN = WindowState(True, None, None)
CANNOT_BE_TOLD = WindowState(False, None, None)
NOT_SHOWN = ShownWindow(False, None, None)


@dataclass(frozen=True, slots=True)
class BackfillView:
    """Everything that an answer tells of a backfill. `counts` always add up; `planned` says whether they are final.

    `effective_windows` is None where there are none, which means always open, or where they cannot be read.
    `throughput_per_minute` is the pace of late (of the end, if it has ended); None if nothing has run yet, or nothing
    starts and nobody can tell until when.
    """

    backfill: Backfill
    counts: Counts
    planned: bool
    reason: Reason | None
    window: ShownWindow
    effective_windows: Mapping[str, Any] | None
    throughput_per_minute: float | None
    progress: Progress
    reasons: tuple[Reason, ...] = ()  # all that keeps something from starting; `reason` is the first
    rate_while_open_per_minute: float | None = None  # over the last hour of open time
    completion_range: tuple[datetime, datetime] | None = None  # a quarter of the minutes was faster, slower
    last_hour: tuple[int, ...] = ()  # what ended in each five minutes of it, the latest last
    owner: Live | OwnersWord | None = None  # what its owner knows, or has said of it in another process
    unheard: str | None = None  # what is not known here without its owner's word, and why, if it ought to be
    estimate: Estimate | None = None  # None: nothing can start, and nobody can tell until when
    bounds: tuple[Bound, ...] = ()  # what slows it down from outside, and its own pace
    allowances: tuple[Allowance, ...] = ()
    by_workflow: bool = False  # nothing of it has told its speed; the estimate is by what its workflow did last

    @property
    def estimated_completion_at(self) -> datetime | None:
        """When it will have ended, by all that is known to slow it down."""
        return None if self.estimate is None else self.estimate.completion_at

    @property
    def number(self) -> int:
        return self.backfill.number

    @property
    def has_ended(self) -> bool:
        return self.backfill.status in ENDED


class Viewer:
    """Makes views. What the runner in this process knows wins over what it last wrote down."""

    def __init__(self, control: Control, clock: Clock, speeds: Speeds) -> None:
        self._control = control
        self._clock = clock
        self._speeds = speeds

    async def see(self, backfill: Backfill, progress: Progress) -> BackfillView:
        """How the backfill stands now. Every answer that shows it is drawn from this."""
        (view,) = await self.see_all([(backfill, progress)])
        return view

    async def see_all(self, found: Sequence[tuple[Backfill, Progress]]) -> list[BackfillView]:
        """The same of several, asked for at once."""
        known = await self._speeds.known(backfill for backfill, _ in found)
        owned = [one.number for one, _ in found if one.status in OWNED and self._control.live(one.number) is None]
        words = await self._control.words(owned)
        views = [
            self.view(*one, known.get(number, UNKNOWN_SPEED), words.get(number), is_taken=number in words)
            for one in found
            for number in (one[0].number,)
        ]
        return [_heard(view, words) if view.number in owned else view for view in views]

    async def expected(self, workflow_id: int) -> Speed:
        """What is known of one that is about to be made, for `view`."""
        usual = await self._speeds.usual([workflow_id])
        return Speed(usual=usual.get(workflow_id))

    def view(
        self,
        backfill: Backfill,
        progress: Progress,
        speed: Speed = UNKNOWN_SPEED,
        word: OwnersWord | None = None,
        *,
        is_taken: bool = False,
    ) -> BackfillView:
        """The same, where nobody can wait: of one that has just been made nothing is known yet. `word`: of its owner,
        if that is in another process; `is_taken`: it is, and may have said nothing yet.

        What cannot be reckoned is left out, and hides nothing else.
        """
        live = None if backfill.status in ENDED else self._control.live(backfill.number)
        found = _counts(progress, live, has_ended=backfill.status in ENDED)
        try:
            is_free = live is None and not is_taken and backfill.status in MAY_START
            braking = self._speeds.around.braking(Work.of(backfill)) if is_free else []
            return self._view(backfill, progress, live or word, found, speed, braking)
        except Exception:
            log.exception("when backfill %s is open, or ends, cannot be told", backfill.id)
            planned = backfill.planned_at is not None
            return BackfillView(backfill, found, planned, backfill.reason, NOT_SHOWN, None, None, progress)

    def _view(
        self,
        backfill: Backfill,
        progress: Progress,
        owner: Live | OwnersWord | None,
        found: Counts,
        speed: Speed,
        braking: Sequence[Reason],
    ) -> BackfillView:
        now = self._clock.now()
        calendar, window = _windows(backfill, now)
        reasons = tuple(reasons_of(backfill, owner, self._control.stop_reason(), calendar, now, braking))
        reason = first_of(backfill, reasons, {**known_of(owner), **counted(found)}, now)
        goes_on = reason is None or reason.code not in NO_PACE
        pace = progress.throughput if goes_on else 0.0
        rate = speed.rate
        view = BackfillView(
            backfill=backfill,
            counts=found,
            planned=backfill.planned_at is not None,
            reason=reason,
            window=ShownWindow(
                window.open,
                window.next_open_at,
                window.closes_at,
                backfill.override_until if (backfill.override_until or now) > now else None,
            ),
            effective_windows=None if calendar is None else calendar.windows.effective(),
            throughput_per_minute=round(pace * 60, 2) if pace > 0 else None,
            progress=progress,
            reasons=reasons,
            rate_while_open_per_minute=None if rate is None else round(rate.per_minute, 2),
            owner=owner,
        )
        if backfill.status in ENDED:
            return view
        view = self._with_limits(view)
        can_start = goes_on and backfill.status in STARTABLE and window is not CANNOT_BE_TOLD
        return self._with_estimate(view, calendar, speed) if can_start else view

    def _with_limits(self, view: BackfillView) -> BackfillView:
        work, own = Work.of(view.backfill), own_bounds(view.backfill.settings)
        around = self._speeds.around
        return replace(view, bounds=(*own, *around.bounds(work)), allowances=tuple(around.allowances(work)))

    def _with_estimate(self, view: BackfillView, calendar: Calendar | None, known: Speed) -> BackfillView:
        """With when it ends: by the open time of late where enough is known of it, else by its pace, else by that of
        its workflow."""
        rate, pace, usual = known.rate, view.progress.throughput, known.usual
        by_rate = rate is not None and rate.has_range
        speed: float | None = pace if pace > 0 else None
        if rate is not None and by_rate:
            speed = rate.per_minute / 60
        slots = _slots(view)
        most = inf if usual is None or usual.most is None else usual.most * slots  # there were more of them, perhaps
        if speed is not None:
            speed = min(speed, most)
        elif usual is not None:
            speed = usual.per_second * slots
        first = view.reason
        work = Workload(
            now=self._clock.now(),
            calendar=calendar,
            items=view.counts.remaining,
            speed=speed,
            bounds=view.bounds,
            allowances=view.allowances,
            not_before=first.until if first is not None and first.code in HOLDS_UNTIL else None,
            open_share=known.open_share,
        )
        found = estimate(work)
        return replace(
            view,
            estimate=found,
            completion_range=between(work, min(rate.slow / 60, most), min(rate.fast / 60, most))
            if rate is not None and by_rate
            else None,
            by_workflow=speed is not None and pace <= 0 and not by_rate,
        )

    def explain(self, view: BackfillView, known: Mapping[str, Any]) -> Explanation:
        """Why nothing, or not more, is starting; `known`: what else sentences may name."""
        sharing = None if view.owner is None else view.owner.sharing
        known = {**known_of(view.owner), **known}
        try:
            calendar = calendar_of(view.backfill)
        except UnreadableWindows:
            calendar = None
        return explain(
            Standing(
                view.backfill,
                view.counts,
                view.reasons,
                self._clock.now(),
                calendar,
                per_minute=view.throughput_per_minute,
                estimate=view.estimate,
                by_workflow=view.by_workflow,
                ends_between=view.completion_range,
                bounds=view.bounds,
                allowances=view.allowances,
                places=None if sharing is None else (sharing.places_in_use, sharing.places),
                credits_used=float(view.progress.credits_used),
                slowed=None if sharing is None else sharing.slowed,
                unheard=view.unheard,
                known=known,
            )
        )


def _heard(view: BackfillView, words: Mapping[int, OwnersWord | None]) -> BackfillView:
    return view if view.owner is not None else replace(view, unheard=unheard_of(view.backfill, words))


def _slots(view: BackfillView) -> int:
    """How many may be in flight: as the settings say, and the target takes them."""
    limit, sharing = view.backfill.settings.max_in_flight, None if view.owner is None else view.owner.sharing
    slowed = None if sharing is None else sharing.slowed
    return limit if slowed is None else max(1, min(limit, slowed.limit))


def _windows(backfill: Backfill, now: datetime) -> tuple[Calendar | None, WindowState]:
    try:
        calendar = calendar_of(backfill)
    except UnreadableWindows:
        return None, CANNOT_BE_TOLD
    return calendar, ALWAYS_OPEN if calendar is None else calendar.state(now)


def _counts(progress: Progress, live: Live | None, *, has_ended: bool) -> Counts:
    if has_ended:
        return counts(progress, in_flight=0, in_flight_retries=0)
    if live is None:
        return counts(progress)
    return counts(progress, in_flight=len(live.in_flight), in_flight_retries=live.in_flight_retries)
