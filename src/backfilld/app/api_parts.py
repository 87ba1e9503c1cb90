"""The ways in, joined: operations, their routes, and the server in front of them."""

from dataclasses import dataclass

from backfilld.api.auth.keys import KeyAuthenticator
from backfilld.api.endpoint import BodyLimits
from backfilld.api.public import backfills, entities, keys, ledger, progress_stream, workflows
from backfilld.api.routing import Route
from backfilld.api.server import ApiServer, ServerOptions
from backfilld.app.database import Pools
from backfilld.app.engine_parts import EngineParts, definition_rules, sources_of
from backfilld.app.readiness import Readiness
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.events import Bus
from backfilld.operations.backfills import BackfillOperations
from backfilld.operations.checking import Limits
from backfilld.operations.entities import Entities
from backfilld.operations.workflows import WorkflowOperations
from backfilld.store.entities import EntityStore
from backfilld.store.entity_uploads import EntityUploads
from backfilld.store.keys import KeyStore


@dataclass(frozen=True, slots=True)
class ApiParts:
    """The server, and the operations that start and reload need."""

    server: ApiServer
    workflows: WorkflowOperations
    authenticator: KeyAuthenticator

    async def close(self) -> None:
        """Accept nothing more, and let go."""
        await self.server.stop()
        await self.authenticator.close()


def api_parts(
    settings: Settings, pools: Pools, engine: EngineParts, readiness: Readiness, clock: Clock, bus: Bus
) -> ApiParts:
    """Everything that people and programs can ask; not listening yet."""
    workflow_operations = WorkflowOperations(pools.requests, clock, definition_rules(settings))
    authenticator = KeyAuthenticator(KeyStore(pools.requests), clock)
    routes = _public_routes(settings, pools, engine, workflow_operations, clock, bus)
    options = ServerOptions(
        host=settings.server.host,
        port=settings.server.port,
        rate_limit_per_minute=settings.server.rate_limit_per_minute,
        body=BodyLimits(settings.server.max_body_bytes),
    )
    server = ApiServer(routes, authenticators=[authenticator], clock=clock, options=options)
    return ApiParts(server, workflow_operations, authenticator)


def _public_routes(
    settings: Settings,
    pools: Pools,
    engine: EngineParts,
    workflow_operations: WorkflowOperations,
    clock: Clock,
    bus: Bus,
) -> list[Route]:
    sources = sources_of(settings, pools.requests)
    chosen = settings.engine
    limits = Limits(
        max_in_flight=chosen.max_in_flight_limit,
        count_timeout_seconds=chosen.count_timeout_seconds,
        require_explicit_match_all=chosen.require_explicit_match_all,
        allow_concurrent_per_workflow=chosen.allow_concurrent_backfills_per_workflow,
    )
    operations = BackfillOperations(
        pools.requests, sources=sources, control=engine.control, clock=clock, limits=limits, bus=bus
    )
    store = EntityStore(pools.requests)
    entity_operations = Entities(store, EntityUploads(pools.requests), sources, clock)
    return [
        *backfills.routes(operations),
        *ledger.routes(operations.ledger),
        *progress_stream.routes(operations, clock),
        *workflows.routes(workflow_operations),
        *entities.routes(entity_operations, clock, max_body_bytes=settings.server.max_body_bytes),
        *keys.routes(pools.requests, clock, settings.auth.key_environment),
    ]
