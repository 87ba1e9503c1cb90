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
from backfilld.api.public import mirrors as mirror_routes
from backfilld.api.public import schedules, windows
from backfilld.api.public.backfills import ledger, progress_stream
from backfilld.api.public.backfills import routes as backfills
from backfilld.api.public.steering import routes as steering
from backfilld.api.public.watching import attributes, errors, explain, fields, history, report
from backfilld.api.reference.documents import with_documents
from backfilld.app.database import Pools
from backfilld.app.digdag_parts import digdag_routes, schedule_verbs
from backfilld.app.engine_parts import EngineParts
from backfilld.app.metric_parts import backlog_of, metrics_of
from backfilld.app.process.descriptors import connections_within, raise_soft_limit
from backfilld.app.readiness import Readiness
from backfilld.app.sign_in import Closable, authenticators_of, directory_of
from backfilld.app.sources.parts import sources_of
from backfilld.app.system.parts import system_operations, system_routes
from backfilld.app.web_parts import web_parts
from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits
from backfilld.operations.engines.mirrors import MirrorOperations
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.operations.stopping import StopOperations
from backfilld.operations.system.every import SystemOperations
from backfilld.operations.workflows import WorkflowOperations
from backfilld.sources.http.source import LOOKING
from backfilld.sources.registry import SourceRegistry


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
    authenticators = authenticators_of(settings, pools.requests, clock)
    sources = sources_of(
        settings, pools.requests, engine.executors.secrets, clock, engine.connections, LOOKING, engine.indexes.ready
    )
    system = system_operations(settings, pools, engine, readiness, sources, clock)
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
    mirrors = MirrorOperations(pools.requests, engine.engines, clock)
    verbs = schedule_verbs(settings, pools, engine.control, operations, mirrors, clock)
    directory = directory_of(settings, authenticators, clock)
    dashboard = web_parts(settings, pools, operations, system, verbs, door, directory, clock)
    routes = [
        *_work_routes(settings, pools, operations, system, verbs, clock),
        *system_routes(system, settings, clock),
        *mirror_routes.routes(mirrors),
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
    return ApiParts(server, certificate, system.workflows, system.stopping, authenticators, sources)


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


def _work_routes(
    settings: Settings,
    pools: Pools,
    operations: BackfillOperations,
    system: SystemOperations,
    verbs: ScheduleVerbs,
    clock: Clock,
) -> list[Route]:
    """Backfills, and in the other dialect sessions."""
    return [
        *backfills.routes(operations),
        *ledger.routes(operations.ledger),
        *explain.routes(operations),
        *history.routes(operations),
        *errors.routes(operations),
        *attributes.routes(operations),
        *report.routes(operations),
        *fields.routes(operations),
        *progress_stream.routes(operations, clock),
        *steering.routes(operations),
        *schedules.routes(),
        *windows.routes(clock),
        *digdag_routes(settings, pools, verbs, system.workflows, clock),
    ]
