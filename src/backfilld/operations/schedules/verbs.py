"""What people may ask for about schedules, sessions and attempts, in one place for the dialect and the dashboard."""

from backfilld.clock import Clock
from backfilld.engine.control import Control
from backfilld.operations.schedules.overview import ScheduleOverview
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.attempts import AttemptOperations
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfills, ScheduleLimits
from backfilld.operations.sessions.create import SessionBackfills
from backfilld.operations.sessions.elsewhere import Elsewhere
from backfilld.operations.sessions.kill import BackfillKiller
from backfilld.operations.sessions.read import SessionReading
from backfilld.store.connection.pool import Pool


class ScheduleVerbs:
    """The parts, made and found by name. `most_unfinished` attempts may be outside of backfills at once."""

    def __init__(
        self,
        pool: Pool,
        rows: SessionBackfills,
        control: Control,
        clock: Clock,
        *,
        limits: ScheduleLimits,
        most_unfinished: int,
        mirrored: Elsewhere | None = None,
    ) -> None:
        self.limits = limits
        self.reading = ScheduleReading(pool)
        self.overview = ScheduleOverview(pool, clock)
        self.steering = ScheduleOperations(pool, clock)
        self.backfills = ScheduleBackfills(pool, rows, clock, limits, mirrored)
        self.sessions = SessionReading(pool)
        killer = BackfillKiller(pool, control, clock)
        self.attempts = AttemptOperations(pool, killer, clock, most_unfinished=most_unfinished)
