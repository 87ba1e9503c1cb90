"""Every route there is: the operations, what speaks for them in both dialects, the document and the pages."""

from backfilld.api.framework.route_table import EveryRoute
from backfilld.api.framework.routing import Route
from backfilld.api.public import mirrors as mirror_routes
from backfilld.api.public import schedules, windows
from backfilld.api.public.backfills import ledger, progress_stream
from backfilld.api.public.backfills import routes as backfills
from backfilld.api.public.steering import routes as steering
from backfilld.api.public.watching import attributes, errors, explain, fields, history, report
from backfilld.api.reference.documents import with_documents
from backfilld.app.database import Pools
from backfilld.app.first_parts import FirstParts
from backfilld.app.routes.digdag_parts import digdag_routes, schedule_verbs
from backfilld.app.routes.system_parts import system_operations, system_routes
from backfilld.app.routes.web_parts import web_parts
from backfilld.app.sign_in import directory_of
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits
from backfilld.operations.engines.mirrors import MirrorOperations
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.operations.system.every import SystemOperations


def every_route(first: FirstParts) -> EveryRoute:
    """All of them, the health of the daemon included."""
    settings, pools, engine, clock = first.settings, first.pools, first.engine, first.clock
    system = system_operations(first)
    operations = backfill_operations(first)
    mirrors = MirrorOperations(pools.requests, engine.engines, clock)
    verbs = schedule_verbs(settings, pools, engine.control, operations, mirrors, clock)
    directory = directory_of(settings, first.authenticators, clock)
    dashboard = web_parts(settings, pools, operations, system, verbs, first.door, directory, clock)
    routes = [
        *work_routes(settings, pools, operations, system, verbs, clock),
        *system_routes(system, settings, clock),
        *mirror_routes.routes(mirrors),
        *first.health,
    ]
    routes = [*with_documents(routes, settings.server.public_url or ""), *dashboard.routes]
    return EveryRoute(routes, dashboard.frame.error_page)


def backfill_operations(first: FirstParts) -> BackfillOperations:
    """What is done to backfills, whoever asks."""
    engine, chosen = first.engine, first.settings.engine
    limits = Limits(
        max_in_flight=chosen.max_in_flight_limit,
        count_timeout_seconds=chosen.count_timeout_seconds,
        require_explicit_match_all=chosen.require_explicit_match_all,
        allow_concurrent_per_workflow=chosen.allow_concurrent_backfills_per_workflow,
        approval_by_another=chosen.approval_by_another,
        delete_needs_admin=chosen.delete_needs_admin,
    )
    return BackfillOperations(
        first.pools.requests,
        sources=first.sources,
        control=engine.control,
        clock=first.clock,
        limits=limits,
        bus=first.bus,
        around=engine.surroundings,
    )


def work_routes(
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
