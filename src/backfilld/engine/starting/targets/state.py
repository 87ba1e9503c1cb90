"""How a target is, for people who look."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from backfilld.engine.starting.targets.budget import TargetBudget
from backfilld.engine.starting.targets.circuit_breaker import Breaker, BreakerState
from backfilld.engine.starting.targets.origin import Origin


@dataclass(frozen=True, slots=True)
class TargetState:
    """As this process knows it. `refuses`: the workflows that it does not let in, each with since when.

    `since` is of the outage, or where there is none of the first refusal that lasts. `problem` is the last one, kept
    when it is over. `paused_until` is by Retry-After.
    """

    target: str
    state: BreakerState
    since: datetime | None
    problem: str | None
    paused_until: datetime | None
    refuses: Mapping[str, datetime]
    workflows: tuple[str, ...]
    budget: TargetBudget | None


def state_of(origin: Origin, routes: Iterable[tuple[str, Breaker]]) -> TargetState:
    """`routes`: what goes there, by its workflow, with whether it is refused."""
    refusals = list(routes)
    refused = {name: breaker.since for name, breaker in refusals if breaker.is_open}
    problems = (origin.breaker.last_problem, *(breaker.last_problem for _, breaker in refusals))
    return TargetState(
        target=origin.target,
        state=origin.breaker.state,
        since=origin.breaker.since if origin.breaker.is_open else min(refused.values(), default=None),
        problem=next((problem for problem in problems if problem is not None), None),
        paused_until=origin.paused_until.told if origin.paused_until.is_to_come else None,
        refuses=refused,
        workflows=tuple(sorted({name for name, _ in refusals if name})),
        budget=origin.budget,
    )
