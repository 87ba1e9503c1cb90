"""The way in, as far as it stands at the start: a server, its doors, and the daemon's health.

Every other route is made over that by `app/routes`, which is imported when the daemon is at work already.
"""

import asyncio
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from backfilld.api import health
from backfilld.api.client_addresses import ClientAddresses
from backfilld.api.framework.connections import ConnectionLimits
from backfilld.api.framework.route_call import BodyLimits
from backfilld.api.framework.route_table import EveryRoute
from backfilld.api.framework.server import ApiServer, ServerOptions, doorkeeper
from backfilld.api.framework.tls import Certificate
from backfilld.app.database import Pools
from backfilld.app.engine_parts import EngineParts, definition_rules
from backfilld.app.first_parts import FirstParts
from backfilld.app.metric_parts import backlog_of, metrics_of
from backfilld.app.process.descriptors import connections_within, raise_soft_limit
from backfilld.app.readiness import Readiness
from backfilld.app.sign_in import Closable, authenticators_of
from backfilld.app.sources.parts import sources_of
from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.stopping import StopOperations
from backfilld.operations.workflows import WorkflowOperations
from backfilld.sources.http.source import LOOKING
from backfilld.sources.registry import SourceRegistry
from backfilld.store.admin.stopping import StopStore

GIVES_WAY_SECONDS = 0.0005  # a tenth of Python's own: the loop has much to do just then, and little each time


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
    options = _server_options(settings, certificate)
    first = FirstParts(
        settings, pools, engine, readiness, sources,
        workflows=WorkflowOperations(pools.requests, clock, definition_rules(settings)),
        stopping=StopOperations(pools.requests, StopStore(pools.requests), engine.stopping, clock),
        authenticators=authenticators,
        door=doorkeeper(authenticators, clock, options),
        health=health.routes(readiness, access),
        clock=clock,
        bus=bus,
    )  # fmt: skip
    server = ApiServer(
        first.health,
        door=first.door,
        clock=clock,
        options=options,
        observe=metrics.observe_request,
        every=partial(_every_route, first),
    )
    return ApiParts(server, certificate, first.workflows, first.stopping, authenticators, sources)


async def _every_route(first: FirstParts) -> EveryRoute:
    """Imported in a thread that gives way often, so that what is at work goes on."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(GIVES_WAY_SECONDS)
    try:
        make = await asyncio.to_thread(_imported)
    finally:
        sys.setswitchinterval(interval)
    made = make(first)
    gc.freeze()  # it stays for good, and need not be looked through (`lean_start`)
    return made


def _imported() -> Callable[[FirstParts], EveryRoute]:
    from backfilld.app.routes.every_route import every_route

    return every_route


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
