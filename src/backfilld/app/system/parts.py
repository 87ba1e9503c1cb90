"""What concerns the installation as a whole, joined: its verbs, and their routes."""

from backfilld.api.framework.routing import Route
from backfilld.api.public import (
    audit,
    brakes,
    engines,
    keys,
    notifications,
    sources,
    stopping,
    system,
    targets,
    workflows,
)
from backfilld.api.public.entities import routes as entities
from backfilld.app.database import Pools
from backfilld.app.engine_parts import EngineParts, definition_rules
from backfilld.app.readiness import Readiness
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.auditing import AuditReading
from backfilld.operations.brakes import BrakeOperations
from backfilld.operations.engines.looking import EngineOperations
from backfilld.operations.entities import Entities
from backfilld.operations.keys import KeyOperations
from backfilld.operations.notifications import NotificationOperations
from backfilld.operations.sources import SourceOperations
from backfilld.operations.stopping import StopOperations
from backfilld.operations.system.every import SystemOperations
from backfilld.operations.system.status import SystemReading
from backfilld.operations.system.targets import TargetOperations
from backfilld.operations.workflows import WorkflowOperations
from backfilld.sources.registry import SourceRegistry
from backfilld.store.admin.stopping import StopStore
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityUploads


def system_operations(
    settings: Settings, pools: Pools, engine: EngineParts, readiness: Readiness, sources: SourceRegistry, clock: Clock
) -> SystemOperations:
    """All of them, each once."""
    pool = pools.requests
    return SystemOperations(
        status=SystemReading(pool, readiness.this_daemon, lambda: engine.stopping.order, clock),
        stopping=StopOperations(pool, StopStore(pool), engine.stopping, clock),
        targets=TargetOperations(pool, engine.targets, clock),
        engines=EngineOperations(engine.engines, engine.targets, clock),
        sources=SourceOperations(sources, engine.connections, clock),
        entities=Entities(EntityStore(pool), EntityUploads(pool), sources, clock, engine.indexes.states),
        workflows=WorkflowOperations(pool, clock, definition_rules(settings)),
        keys=KeyOperations(pool, clock, settings.auth.key_environment),
        notifications=NotificationOperations(pool, engine.deliverer, clock),
        brakes=BrakeOperations(pool, engine.brakes, clock),
        audit=AuditReading(pool),
    )


def system_routes(does: SystemOperations, settings: Settings, clock: Clock) -> list[Route]:
    """What is not about one backfill or one schedule."""
    return [
        *workflows.routes(does.workflows),
        *entities.routes(does.entities, clock, max_body_bytes=settings.server.max_body_bytes),
        *keys.routes(does.keys),
        *targets.routes(does.targets),
        *engines.routes(does.engines),
        *sources.routes(does.sources),
        *audit.routes(does.audit),
        *stopping.routes(does.stopping),
        *notifications.routes(does.notifications),
        *brakes.routes(does.brakes),
        *system.routes(does.status),
    ]
