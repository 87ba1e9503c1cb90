"""Every target that this process knows, and how each is."""

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason
from backfilld.engine.starting.targets.budget import BudgetTerms, TargetBudgets
from backfilld.engine.starting.targets.circuit_breaker import Breaker
from backfilld.engine.starting.targets.machine import Machine
from backfilld.engine.starting.targets.origin import Origin
from backfilld.engine.starting.targets.state import TargetState, state_of
from backfilld.engine.starting.targets.target_health import MOST_IDLE, Route, TargetHealth

_NO_ROUTE = Route()


class Targets:
    """The health of every target that this process knows."""

    def __init__(self, clock: Clock, bus: Bus) -> None:
        self._clock = clock
        self._bus = bus
        self._machine = Machine(clock)
        self._budgets = TargetBudgets(clock)
        self._origins: dict[str, Origin] = {}
        self._known: dict[tuple[str, Route], TargetHealth] = {}

    def health(self, target: str, route: Route = _NO_ROUTE) -> TargetHealth:
        """Always the same object for the same target and route, as long as there is anything to remember of it."""
        found = self._known.get((target, route))
        if found is None:
            origin = self._origin(target)
            self._forget_idle()
            found = TargetHealth(origin, route, self._clock, self._bus)
            self._known[target, route] = found
        return found

    def _origin(self, target: str) -> Origin:
        if target not in self._origins:
            self._origins[target] = Origin(target, self._clock, self._bus, self._machine)
            self._origins[target].budget = self._budgets.of(target)
        return self._origins[target]

    def hold(self, target: str, address: str | None, reason: Reason | None) -> None:
        """What watches a target says that nothing is to start there, at one address or (None) at all; or that it may
        again."""
        self._origin(target).hold(address, reason)

    def put_budgets(self, wanted: list[BudgetTerms]) -> None:
        """These budgets are shared from now on, each by all that use one of its origins."""
        self._budgets.put(wanted)
        for origin in self._origins.values():
            origin.budget = budget = self._budgets.of(origin.target)
            if budget is not None:
                budget.count(origin.last_start, origin.last_of_backfills)
            origin.changed()

    def budget_of(self, target: str) -> BudgetTerms | None:
        """What a target is given, whether it was used by now or not; None: nothing bounds it."""
        budget = self._budgets.of(target)
        return None if budget is None else budget.terms

    def _forget_idle(self) -> None:
        if len(self._known) >= MOST_IDLE:
            self._known = {key: health for key, health in self._known.items() if not health.is_idle}

    def states(self) -> list[TargetState]:
        """Of all that were used since this process began, by name."""
        routes: dict[str, list[tuple[str, Breaker]]] = {}
        for (target, route), health in self._known.items():
            routes.setdefault(target, []).append((route.workflow_name, health._refusing))
        return [state_of(self._origins[target], found) for target, found in sorted(routes.items())]

    def ask_now(self, target: str) -> None:
        """Somebody wants to know now whether `target` is well again, for all that goes there."""
        for (known, _), health in self._known.items():
            if known == target:
                health.ask_now()

    def reset(self) -> None:
        """After a reload: whatever refused us may have got its new credentials."""
        for origin in self._origins.values():
            origin.reset()
        for health in self._known.values():
            health.reset()
