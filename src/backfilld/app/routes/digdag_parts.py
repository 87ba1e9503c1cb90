"""The digdag dialect, joined: its routes over the operations that it shares with everybody else."""

from backfilld.api.digdag import attempts, logs, projects, schedules, sessions, workflows
from backfilld.api.framework.routing import Route
from backfilld.app.database import Pools
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.engine.control import Control
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.engines.mirrored import MirroredSchedules
from backfilld.operations.engines.mirrors import MirrorOperations
from backfilld.operations.projects import ProjectOperations
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.operations.sessions.backfill_schedule import ScheduleLimits
from backfilld.operations.workflows import WorkflowOperations


def schedule_verbs(
    settings: Settings,
    pools: Pools,
    control: Control,
    backfills: BackfillOperations,
    mirrors: MirrorOperations,
    clock: Clock,
) -> ScheduleVerbs:
    """What is done to schedules, sessions and attempts, whoever asks."""
    limits = ScheduleLimits(
        max_points_per_request=settings.schedules.max_points_per_request,
        max_waiting_attempts=settings.schedules.max_waiting_attempts,
        max_in_flight=settings.engine.max_in_flight_limit,
    )
    most = settings.executor.attempt_max_run
    return ScheduleVerbs(
        pools.requests, backfills.sessions, control, clock, limits=limits, most_unfinished=most,
        mirrored=MirroredSchedules(mirrors),
    )  # fmt: skip


def digdag_routes(
    settings: Settings, pools: Pools, verbs: ScheduleVerbs, defined: WorkflowOperations, clock: Clock
) -> list[Route]:
    """Everything below /api but the version."""
    project_operations = ProjectOperations(pools.requests, clock, lambda: defined.rules)
    return [
        *attempts.routes(verbs.attempts, verbs.sessions),
        *sessions.routes(verbs.sessions),
        *logs.routes(verbs.sessions),
        *projects.routes(project_operations, max_body_bytes=settings.server.max_body_bytes),
        *workflows.routes(project_operations),
        *schedules.routes(verbs.reading, verbs.steering, verbs.backfills),
    ]
