"""What bounds the speed of a backfill from outside: budgets that it shares, and brakes.

Asked of work that runs here, that waits, and that nobody has made yet, so that all are estimated by the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backfilld.domain.backfills.estimating.allowances import Allowance
from backfilld.domain.backfills.estimating.ends import MINUTE, Bound
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import STARTABLE
from backfilld.domain.brakes.history import LOOKS_BACK_DAYS, Held, open_share
from backfilld.domain.brakes.settings import Start
from backfilld.domain.windows.openings import Calendar
from backfilld.engine.backfills.context import BackfillContext
from backfilld.engine.backfills.scheduler import Scheduler
from backfilld.sources.base import Price, Priced
from backfilld.sources.http.asking.budget import Budget

SPANS = {3600.0: "requests_per_hour", 60.0: "requests_per_minute"}
FRESH_SECONDS = 20.0
MOST_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Work:
    """What is run by what. `number` is its own, if it has one: it is none of those that it shares with."""

    workflow_name: str
    project_name: str
    revision_id: int
    definition: Mapping[str, Any]
    entity_type: str | None
    number: int | None = None

    @staticmethod
    def of(backfill: Backfill) -> "Work":
        """A backfill's."""
        entity_type = None if backfill.is_schedule else backfill.settings.entity_type
        return Work(
            backfill.workflow_name, backfill.project_name, backfill.revision_id, backfill.definition, entity_type,
            backfill.number,
        )  # fmt: skip


class Surroundings:
    """As they are now, in this process. `budgets` are those of connections, by name."""

    def __init__(self, scheduler: Scheduler, context: BackfillContext, budgets: Mapping[str, Budget]) -> None:
        self._scheduler = scheduler
        self._context = context
        self._budgets = budgets
        self._held: dict[Start, tuple[float, list[Held]]] = {}

    def bounds(self, work: Work) -> list[Bound]:
        """What its target is given, as far as live attempts leave it, and in equal parts to all that use it."""
        terms = self._context.targets.budget_of(self._target(work))
        if terms is None:
            return []
        others = sum(
            self._context.targets.budget_of(target) == terms
            for backfill, target in self._scheduler.running()
            if _shares(backfill, work)
        )
        rate = terms.starts_per_minute * (1 - terms.reserve_for_live) / (others + 1)
        return [Bound("target_starts_per_minute", rate / MINUTE, terms.starts_per_minute, terms.name, others)]

    def allowances(self, work: Work, *, to_list: int = 0) -> list[Allowance]:
        """What the connections let it ask that it reads from and writes to; `to_list` entities are still to be listed.

        In equal parts to all that use a connection.
        """
        return [
            one for name, per_item, first in self._costs(work, to_list) for one in self._of(name, work, per_item, first)
        ]

    def plans_any_time(self, entity_type: str | None) -> bool:
        """Whether a plan is made outside of the windows, too."""
        source = None if entity_type is None else self._context.sources.find(entity_type)
        return source is None or source.plans_outside_windows

    async def open_share(self, work: Work, calendar: Calendar | None) -> float:
        """How much of the open time of the last day that had any brakes would have left it."""
        brakes = self._context.brakes
        if brakes is None:
            return 1.0
        now, monotonic = self._context.clock.now(), self._context.clock.monotonic()
        start = self._start(work)
        found = self._held.get(start)
        if found is None or monotonic - found[0] >= FRESH_SECONDS:
            if len(self._held) >= MOST_REMEMBERED:
                self._held.clear()
            found = monotonic, await brakes.held_since(start, now - timedelta(days=LOOKS_BACK_DAYS))
            self._held[start] = found
        return open_share(found[1], calendar, now) if found[1] else 1.0

    def braking(self, work: Work) -> list[Reason]:
        """Why the brakes of this daemon would hold it if it were taken up now."""
        brakes = self._context.brakes
        return [] if brakes is None else brakes.holding(self._start(work))

    def _start(self, work: Work) -> Start:
        return Start(f"{work.project_name}/{work.workflow_name}", self._target(work))

    def _target(self, work: Work) -> str:
        return self._context.executors.for_revision(work.revision_id, work.definition).target

    def _costs(self, work: Work, to_list: int) -> list[tuple[str, float, float]]:
        """For each connection the requests of an item, and those of the plan."""
        price, per_item = self._price(work.entity_type), Counter[str]()
        for name, requests in _spent_by(work.definition):
            per_item[name] += requests
        found = {name: (float(requests), 0.0) for name, requests in per_item.items()}
        if price is not None:
            name = price.connection
            found[name] = per_item[name] + price.reading, price.listing * to_list
        return [(name, *requests) for name, requests in found.items()]

    def _price(self, entity_type: str | None) -> Price | None:
        source = None if entity_type is None else self._context.sources.find(entity_type)
        return source.price() if isinstance(source, Priced) else None

    def _of(self, name: str, work: Work, per_item: float, first: float) -> Iterator[Allowance]:
        budget = self._budgets.get(name)
        if budget is None or not (per_item or first):
            return
        others = sum(
            any(name == used for used, _, _ in self._costs(Work.of(backfill), 0))
            for backfill, _ in self._scheduler.running()
            if _shares(backfill, work)
        )
        until: datetime | None = budget.usage().until
        for spent in budget.spent():
            what = SPANS.get(spent.seconds, "requests")
            yield Allowance(
                what, spent.most / (others + 1), spent.seconds, per_item, spent.most, name,
                used=spent.used / (others + 1), first=first, until=until, others=others,
            )  # fmt: skip


def _spent_by(definition: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """What each start asks of which connection: what is written through it, and what the target says that it asks."""
    executor, spends = definition.get("executor"), definition.get("spends")
    if isinstance(executor, Mapping) and isinstance(name := executor.get("connection"), str):
        yield name, 1
    if isinstance(spends, Mapping):
        yield str(spends.get("connection")), int(spends.get("requests") or 1)


def _shares(backfill: Backfill, work: Work) -> bool:
    return backfill.number != work.number and backfill.status in STARTABLE
