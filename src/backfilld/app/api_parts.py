"""The ways in, joined: operations, their routes, and the server in front of them."""

from dataclasses import dataclass
from functools import partial

from backfilld.api import health
from backfilld.api.client_addresses import ClientAddresses
from backfilld.api.framework.connections import ConnectionLimits
from backfilld.api.framework.route_call import BodyLimits
from backfilld.api.framework.routing import Route
from backfilld.api.framework.server import ApiServer, ServerOptions, doorkeeper
from backfilld.api.framework.tls import Certificate
from backfilld.api.public import audit, brakes, keys, notifications, schedules, stopping, windows, workflows
from backfilld.api.public import engines as engine_routes
from backfilld.api.public import sources as source_routes
from backfilld.api.public import targets as target_routes
from backfilld.api.public.backfills import ledger, progress_stream
from backfilld.api.public.backfills import routes as backfills
from backfilld.api.public.entities import routes as entities
from backfilld.api.public.steering import routes as steering
from backfilld.api.public.watching import errors, explain, fields, history, report
from backfilld.api.reference.documents import with_documents
from backfilld.app.database import Pools
from backfilld.app.digdag_parts import digdag_routes, schedule_verbs
from backfilld.app.engine_parts import EngineParts, definition_rules
from backfilld.app.metric_parts import backlog_of, metrics_of
from backfilld.app.process.descriptors import connections_within, raise_soft_limit
from backfilld.app.readiness import Readiness
from backfilld.app.sign_in import Closable, authenticators_of, directory_of
from backfilld.app.sources.parts import sources_of
from backfilld.app.web_parts import web_parts
from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.auditing import AuditReading
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits
from backfilld.operations.brakes import BrakeOperations
from backfilld.operations.engines.looking import EngineOperations
from backfilld.operations.entities import Entities
from backfilld.operations.notifications import NotificationOperations
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.operations.sources import SourceOperations
from backfilld.operations.stopping import StopOperations
from backfilld.operations.workflows import WorkflowOperations
from backfilld.sources.http.source import LOOKING
from backfilld.sources.registry import SourceRegistry
from backfilld.store.admin.stopping import StopStore
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityUploads


@dataclass(frozen=True, slots=True)
class ApiParts:
    """The server, and the operations that start and reload need."""

    server: ApiServer
    certificate: Certificate | None
    workflows: WorkflowOperations
    stopping: StopOperations
    authenticators: tuple[Closable, ...]
    sources: SourceRegistry

    async def close(self) -> None:
        """Accept nothing more, and let go."""
        await self.server.stop()
        for authenticator in self.authenticators:
            await authenticator.close()
        await self.sources.close()


def api_parts(
    settings: Settings, pools: Pools, engine: EngineParts, readiness: Readiness, clock: Clock, bus: Bus
) -> ApiParts:
    """Everything that people and programs can ask; not listening yet."""
    workflow_operations = WorkflowOperations(pools.requests, clock, definition_rules(settings))
    authenticators = authenticators_of(settings, pools.requests, clock)
    sources = sources_of(settings, pools.requests, engine.executors.secrets, clock, engine.connections, LOOKING)
    stop_operations = StopOperations(pools.requests, StopStore(pools.requests), engine.stopping, clock)
    certificate = _certificate(settings)
    metrics = metrics_of(engine, certificate, clock, bus)
    is_private = settings.server.is_loopback and not settings.server.trusted_proxies
    access = health.MetricsAccess(
        metrics,
        partial(backlog_of, pools.requests),
        public=settings.metrics.public or is_private,
        clock=clock,
        only_direct=is_private and not settings.metrics.public,
    )
    operations = _backfill_operations(settings, pools, engine, sources, clock, bus)
    options = _server_options(settings, certificate)
    door = doorkeeper(authenticators, clock, options)
    verbs = schedule_verbs(settings, pools, engine.control, operations, clock)
    dashboard = web_parts(
        settings, pools, operations, verbs, door, directory_of(settings, authenticators, clock), clock
    )
    routes = [
        *_public_routes(settings, pools, engine, sources, workflow_operations, operations, verbs, clock),
        *stopping.routes(stop_operations),
        *notifications.routes(NotificationOperations(pools.requests, engine.deliverer, clock)),
        *brakes.routes(BrakeOperations(pools.requests, engine.brakes, clock)),
        *health.routes(readiness, access),
    ]
    routes = [*with_documents(routes, settings.server.public_url or ""), *dashboard.routes]
    server = ApiServer(
        routes,
        door=door,
        clock=clock,
        options=options,
        observe=metrics.observe_request,
        error_page=dashboard.frame.error_page,
    )
    return ApiParts(server, certificate, workflow_operations, stop_operations, authenticators, sources)


def _certificate(settings: Settings) -> Certificate | None:
    context = settings.server.read_tls()
    return Certificate(context, settings.server.read_expiry()) if context else None


def _server_options(settings: Settings, certificate: Certificate | None) -> ServerOptions:
    chosen = settings.server
    return ServerOptions(
        host=chosen.host,
        port=chosen.port,
        rate_limit_per_minute=chosen.rate_limit_per_minute,
        body=BodyLimits(chosen.max_body_bytes),
        addresses=ClientAddresses(chosen.proxies, chosen.forwarded_header),
        public_url=chosen.public_url or "",
        certificate=certificate,
        connections=ConnectionLimits(
            connections_within(settings, raise_soft_limit()), chosen.max_connections_per_address
        ),
    )


def _backfill_operations(
    settings: Settings, pools: Pools, engine: EngineParts, sources: SourceRegistry, clock: Clock, bus: Bus
) -> BackfillOperations:
    chosen = settings.engine
    limits = Limits(
        max_in_flight=chosen.max_in_flight_limit,
        count_timeout_seconds=chosen.count_timeout_seconds,
        require_explicit_match_all=chosen.require_explicit_match_all,
        allow_concurrent_per_workflow=chosen.allow_concurrent_backfills_per_workflow,
        approval_by_another=chosen.approval_by_another,
        delete_needs_admin=chosen.delete_needs_admin,
    )
    return BackfillOperations(
        pools.requests,
        sources=sources,
        control=engine.control,
        clock=clock,
        limits=limits,
        bus=bus,
        around=engine.surroundings,
    )


def _public_routes(
    settings: Settings,
    pools: Pools,
    engine: EngineParts,
    sources: SourceRegistry,
    workflow_operations: WorkflowOperations,
    operations: BackfillOperations,
    verbs: ScheduleVerbs,
    clock: Clock,
) -> list[Route]:
    store = EntityStore(pools.requests)
    entity_operations = Entities(store, EntityUploads(pools.requests), sources, clock)
    return [
        *backfills.routes(operations),
        *ledger.routes(operations.ledger),
        *explain.routes(operations),
        *history.routes(operations),
        *errors.routes(operations),
        *report.routes(operations),
        *fields.routes(operations),
        *progress_stream.routes(operations, clock),
        *steering.routes(operations),
        *workflows.routes(workflow_operations),
        *windows.routes(clock),
        *schedules.routes(),
        *entities.routes(entity_operations, clock, max_body_bytes=settings.server.max_body_bytes),
        *keys.routes(pools.requests, clock, settings.auth.key_environment),
        *target_routes.routes(engine.targets),
        *engine_routes.routes(EngineOperations(engine.engines, engine.targets, clock)),
        *source_routes.routes(SourceOperations(sources, engine.connections, clock)),
        *audit.routes(AuditReading(pools.requests)),
        *digdag_routes(settings, pools, verbs, workflow_operations, clock),
    ]
