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
from backfilld.app.first_parts import FirstParts
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.auditing import AuditReading
from backfilld.operations.brakes import BrakeOperations
from backfilld.operations.engines.looking import EngineOperations
from backfilld.operations.entities import Entities
from backfilld.operations.keys import KeyOperations
from backfilld.operations.notifications import NotificationOperations
from backfilld.operations.sources import SourceOperations
from backfilld.operations.system.every import SystemOperations
from backfilld.operations.system.status import SystemReading
from backfilld.operations.system.targets import TargetOperations
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityUploads


def system_operations(first: FirstParts) -> SystemOperations:
    """All of them, each once."""
    pool, engine, sources, clock = first.pools.requests, first.engine, first.sources, first.clock
    return SystemOperations(
        status=SystemReading(pool, first.readiness.this_daemon, lambda: engine.stopping.order, clock),
        stopping=first.stopping,
        targets=TargetOperations(pool, engine.targets, clock),
        engines=EngineOperations(engine.engines, engine.targets, clock),
        sources=SourceOperations(sources, engine.connections, clock),
        entities=Entities(EntityStore(pool), EntityUploads(pool), sources, clock, engine.indexes.states),
        workflows=first.workflows,
        keys=KeyOperations(pool, clock, first.settings.auth.key_environment),
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
