"""The digdag dialect, joined: its routes over the operations that it shares with everybody else."""

from backfilld.api.digdag import logs, schedules, sessions
from backfilld.api.routing import Route
from backfilld.app.database import Pools
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.backfills import BackfillOperations
from backfilld.operations.schedule_backfills import ScheduleBackfills, ScheduleLimits
from backfilld.operations.schedule_reading import ScheduleReading
from backfilld.operations.scheduling import ScheduleOperations
from backfilld.operations.session_reading import SessionReading


def digdag_routes(settings: Settings, pools: Pools, backfills: BackfillOperations, clock: Clock) -> list[Route]:
    """Everything below /api but the version."""
    pool = pools.requests
    limits = ScheduleLimits(max_in_flight=settings.engine.max_in_flight_limit)
    reading = SessionReading(pool)
    return [
        *sessions.routes(reading),
        *logs.routes(reading),
        *schedules.routes(
            ScheduleReading(pool),
            ScheduleOperations(pool, clock),
            ScheduleBackfills(pool, backfills.sessions, clock, limits),
        ),
    ]
