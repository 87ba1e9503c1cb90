"""What everything that starts work shares in one process, made once by `app`."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.retries import Backoff
from backfilld.engine.brakes.board import Brakes
from backfilld.engine.starting.capacity import Capacity
from backfilld.engine.starting.repeats import Repeats
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.target_health import Route, TargetHealth
from backfilld.executors.base import Executor


class Executors(Protocol):
    """Where a revision's executor comes from."""

    def for_revision(self, revision_id: int, definition: Mapping[str, Any]) -> Executor:
        """The executor of a workflow revision; one that refuses if its definition cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """Whoever is handed this can start work, and learns from how it went."""

    clock: Clock
    bus: Bus
    stop_switch: StopSwitch
    targets: Targets
    capacity: Capacity
    executors: Executors
    brakes: Brakes | None = None
    timeout_seconds: float = 60.0  # of a try whose workflow does not say
    backoff: Backoff = field(default_factory=Backoff)
    repeats: Repeats = field(default_factory=Repeats)
    draw: Callable[[], float] = random.random

    def health_of(
        self, executor: Executor, workflow_name: str, revision_id: int, variables: Mapping[str, Any]
    ) -> TargetHealth:
        """Of the target of a revision's executor, as items with these variables know it."""
        return self.targets.health(executor.target, Route(workflow_name, revision_id, executor.address(variables)))
