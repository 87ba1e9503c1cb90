"""The digdag dialect, joined: its routes over the operations that it shares with everybody else."""

from backfilld.api.digdag import attempts, logs, projects, schedules, sessions, workflows
from backfilld.api.framework.routing import Route
from backfilld.app.database import Pools
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.engine.control import Control
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.projects import ProjectOperations
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.attempts import AttemptOperations
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfills, ScheduleLimits
from backfilld.operations.sessions.kill import BackfillKiller
from backfilld.operations.sessions.read import SessionReading
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
