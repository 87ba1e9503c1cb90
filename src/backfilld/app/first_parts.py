"""What stands before anything but the daemon's health can be asked; the routes are made over it."""

from dataclasses import dataclass

from backfilld.api.auth.roles import Doorkeeper
from backfilld.api.framework.routing import Route
from backfilld.app.database import Pools
from backfilld.app.engine_parts import EngineParts
from backfilld.app.readiness import Readiness
from backfilld.app.sign_in import Closable
from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.stopping import StopOperations
from backfilld.operations.workflows import WorkflowOperations
from backfilld.sources.registry import SourceRegistry


@dataclass(frozen=True, slots=True)
class FirstParts:
    """`workflows` and `stopping` are what start and reload need of the operations."""

    settings: Settings
    pools: Pools
    engine: EngineParts
    readiness: Readiness
    sources: SourceRegistry
    workflows: WorkflowOperations
    stopping: StopOperations
    authenticators: tuple[Closable, ...]
    door: Doorkeeper
    health: list[Route]
    clock: Clock
    bus: Bus
