"""How fast backfills are, and would be: what estimates stand on, looked up once for a while."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from backfilld.clock import Clock
from backfilld.domain.backfills.estimating.allowances import Allowance
from backfilld.domain.backfills.estimating.ends import Bound
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.open_rates import OpenRate
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ACTIVE, STARTABLE
from backfilld.domain.calendars import UnreadableWindows, calendar_of
from backfilld.domain.windows.openings import Calendar
from backfilld.engine.surroundings import Work
from backfilld.store.admin.runnable_workflows import RunnableWorkflowStore, SlotSpeed

FRESH_SECONDS = 20.0
MOST_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Speed:
    """What is known of a backfill's. `usual`: how fast a slot of its workflow was last.

    `open_share`: how much of its open time brakes left it of late.
    """

    rate: OpenRate | None = None
    usual: SlotSpeed | None = None
    open_share: float = 1.0


UNKNOWN_SPEED = Speed()


class Rates(Protocol):
    """How fast each is while it may work: `operations.watching.history`."""

    async def rates(self, backfills: Iterable[Backfill]) -> dict[int, OpenRate]: ...


class Around(Protocol):
    """What bounds it from outside: `engine.surroundings`."""

    def bounds(self, work: Work) -> list[Bound]: ...

    def allowances(self, work: Work, *, to_list: int = 0) -> list[Allowance]: ...

    def plans_any_time(self, entity_type: str | None) -> bool: ...

    def braking(self, work: Work) -> list[Reason]: ...

    async def open_share(self, work: Work, calendar: Calendar | None) -> float: ...


class Nothing:
    """Where nothing bounds it: no budgets, no brakes."""

    def bounds(self, work: Work) -> list[Bound]:
        return []

    def allowances(self, work: Work, *, to_list: int = 0) -> list[Allowance]:
        return []

    def plans_any_time(self, entity_type: str | None) -> bool:
        return True

    def braking(self, work: Work) -> list[Reason]:
        return []

    async def open_share(self, work: Work, calendar: Calendar | None) -> float:
        return 1.0


class Speeds:
    """Looks them up."""

    def __init__(self, history: Rates, workflows: RunnableWorkflowStore, around: Around, clock: Clock) -> None:
        self._history = history
        self._workflows = workflows
        self._clock = clock
        self._usual: dict[int, tuple[float, SlotSpeed | None]] = {}
        self.around = around

    async def known(self, backfills: Iterable[Backfill]) -> Mapping[int, Speed]:
        """Of each that has not ended, by number; the last two only while it may start something."""
        wanted = [one for one in backfills if one.status in ACTIVE]
        if not wanted:
            return {}
        rates = await self._history.rates(wanted)
        usual = await self.usual([one.workflow_id for one in wanted if one.status in STARTABLE])
        return {
            one.number: Speed(rates.get(one.number), usual.get(one.workflow_id), await self._share(one))
            for one in wanted
        }

    async def usual(self, workflow_ids: Sequence[int], *, fresh: bool = False) -> Mapping[int, SlotSpeed]:
        """How fast a slot is, of each workflow that has run; `fresh`: as they are now, and not a moment ago."""
        now, keeps = self._clock.monotonic(), 0.0 if fresh else FRESH_SECONDS
        stale = {id for id in workflow_ids if now - self._usual.get(id, (-keeps, None))[0] >= keeps}
        if stale:
            if len(self._usual) > MOST_REMEMBERED:
                self._usual.clear()
            found = await self._workflows.find_speeds(sorted(stale))
            self._usual |= {id: (now, found.get(id)) for id in stale}
        known = {id: self._usual[id][1] for id in workflow_ids if id in self._usual}
        return {id: speed for id, speed in known.items() if speed is not None}

    async def _share(self, backfill: Backfill) -> float:
        if backfill.status not in STARTABLE:
            return 1.0
        try:
            calendar = calendar_of(backfill)
        except UnreadableWindows:
            return 1.0
        return await self.around.open_share(Work.of(backfill), calendar)
