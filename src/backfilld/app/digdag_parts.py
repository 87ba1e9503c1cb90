"""The digdag dialect, joined: its routes over the operations that it shares with everybody else."""

from backfilld.api.digdag import attempts, logs, projects, schedules, sessions, workflows
from backfilld.api.routing import Route
from backfilld.app.database import Pools
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.attempts import AttemptOperations
from backfilld.operations.backfills import BackfillOperations
from backfilld.operations.control import Control
from backfilld.operations.killing_in_backfills import BackfillKiller
from backfilld.operations.projects import ProjectOperations
from backfilld.operations.schedule_backfills import ScheduleBackfills, ScheduleLimits
from backfilld.operations.schedule_reading import ScheduleReading
from backfilld.operations.scheduling import ScheduleOperations
from backfilld.operations.session_reading import SessionReading
from backfilld.operations.workflows import WorkflowOperations


def digdag_routes(
    settings: Settings,
    pools: Pools,
    control: Control,
    backfills: BackfillOperations,
    defined: WorkflowOperations,
    clock: Clock,
) -> list[Route]:
    """Everything below /api but the version."""
    pool = pools.requests
    project_operations = ProjectOperations(pool, clock, lambda: defined.rules)
    limits = ScheduleLimits(
        max_points_per_request=settings.schedules.max_points_per_request,
        max_waiting_attempts=settings.schedules.max_waiting_attempts,
        max_in_flight=settings.engine.max_in_flight_limit,
    )
    reading = SessionReading(pool)
    attempt_operations = AttemptOperations(
        pool, BackfillKiller(pool, control, clock), clock, most_unfinished=settings.executor.attempt_max_run
    )
    return [
        *attempts.routes(attempt_operations, reading),
        *sessions.routes(reading),
        *logs.routes(reading),
        *projects.routes(project_operations, max_body_bytes=settings.server.max_body_bytes),
        *workflows.routes(project_operations),
        *schedules.routes(
            ScheduleReading(pool),
            ScheduleOperations(pool, clock),
            ScheduleBackfills(pool, backfills.sessions, clock, limits),
        ),
    ]
