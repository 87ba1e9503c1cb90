"""The rows of a backfill over sessions: its settings, its attempts, the plan made of them, its line in the audit log.

Shared by the request that covers slots of a schedule and by the one that runs failed ones again. Everything happens
in the caller's transaction; `wake` is for when that is committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.records import SCHEDULE, Backfill
from backfilld.domain.sessions.records import Attempt, StoredSchedule
from backfilld.engine.control import Control
from backfilld.events import BackfillCreated
from backfilld.operations.sessions.plan import Plan, attempts_of
from backfilld.operations.sessions.request import ScheduleBackfillRequest, zone_of_windows
from backfilld.store.admin import audit
from backfilld.store.admin.runnable_workflows import RunnableWorkflow
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.rows import NewBackfill
from backfilld.store.connection.pool import Connection
from backfilld.store.sessions.plans import plan_sessions
from backfilld.store.sessions.sessions import NewAttempts, open_attempts

_SECOND = timedelta(seconds=1)


class NothingLeft(Exception):
    """Others have taken every session of the plan in this very moment."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backfill that is there once the transaction commits, and what it will run."""

    backfill: Backfill
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Workplace:
    """The workflow whose sessions are run, as it is now."""

    project_id: int
    project_name: str
    timezone: str
    target: RunnableWorkflow

    @staticmethod
    def of(stored: StoredSchedule) -> "Workplace":
        target = RunnableWorkflow(
            stored.workflow_id, stored.workflow_name, stored.workflow_enabled, stored.revision_id, 0, stored.definition
        )
        return Workplace(stored.project_id, stored.project_name, stored.timezone, target)


class SessionBackfills:
    """Makes the rows; who asks has checked everything, and holds the lock of the schedule if there is one."""

    def __init__(
        self, store: BackfillStore, control: Control, clock: Clock, bus: Bus, *, approval_by_another: bool = False
    ) -> None:
        self._store = store
        self._control = control
        self._clock = clock
        self._bus = bus
        self._approval_by_another = approval_by_another

    async def make(
        self,
        connection: Connection,
        actor: Actor,
        stored: StoredSchedule,
        request: ScheduleBackfillRequest,
        plan: Plan,
    ) -> Made:
        """A backfill over `plan`. AttemptNameTaken; NothingLeft."""
        place = Workplace.of(stored)
        new = new_backfill(
            actor,
            place,
            plan,
            schedule_id=stored.id,
            at=self._clock.now(),
            settings=_settings(request, plan, place),
        )
        return await self.store(connection, actor, new, place, plan, skip_existing=request.skip_existing)

    async def store(
        self,
        connection: Connection,
        actor: Actor,
        new: NewBackfill,
        place: Workplace,
        plan: Plan,
        *,
        skip_existing: bool = False,
    ) -> Made:
        """All rows of a backfill, in a transaction of their own inside the caller's. As `make`."""
        if self._approval_by_another:
            new = replace(new, settings=new.settings.to_be_approved_by_another())
        async with connection.transaction():
            backfill = await self._store.insert(new, on=connection)
            opening = NewAttempts(
                place.project_id, place.target.workflow_id, place.target.revision_id, place.timezone, plan.name,
                new.created_by, new.created_at, plan.times, plan.params, backfill.number, skip_existing,
            )  # fmt: skip
            opened = await open_attempts(connection, opening)
            if not opened:
                raise NothingLeft
            reached(Point.SESSIONS_OPENED)
            await _write_down(connection, actor, new, backfill, len(opened))
            await plan_sessions(connection, backfill.number, len(opened), new.created_at)
            found = await self._store.get_by_number(backfill.number, on=connection)
        return Made(
            found, attempts_of(opened, opening, place.project_name, place.target.name, new.settings.max_in_flight)
        )

    def wake(self, made: Made) -> None:
        """The transaction is committed: say so, and let the engine look."""
        backfill = made.backfill
        self._bus.tell(BackfillCreated(backfill.id, backfill.workflow_name, None, backfill.created_by))
        self._control.nudge()


def _settings(request: ScheduleBackfillRequest, plan: Plan, place: Workplace) -> BackfillSettings:
    return BackfillSettings(
        entity_type=None,
        filter_spec=None,
        daily_execution_windows=request.windows,
        timezone=zone_of_windows(request, place.timezone),
        max_in_flight=request.max_in_flight,
        max_attempts=place.target.max_attempts,
        name=plan.name or None,
        reprocess_behavior="completed",
        stop_on_failure=request.stop_on_failure,
    )


def new_backfill(
    actor: Actor,
    place: Workplace,
    plan: Plan,
    *,
    settings: BackfillSettings,
    schedule_id: int,
    at: datetime,
    parent: Backfill | None = None,
) -> NewBackfill:
    """A backfill over the sessions of `plan`."""
    return NewBackfill(
        id=uuid4(),
        kind=SCHEDULE,
        parent_number=None if parent is None else parent.number,
        parent_id=None if parent is None else parent.id,
        workflow_id=place.target.workflow_id,
        revision_id=place.target.revision_id,
        settings=settings,
        filter_resolved=None,
        created_by=actor.identity,
        created_at=at,
        exclusive=False,
        credits_per_entity=place.target.credits_per_entity,
        schedule_id=schedule_id,
        session_from=plan.times[0],
        session_to=plan.times[-1] + _SECOND,
    )


async def _write_down(connection: Connection, actor: Actor, new: NewBackfill, backfill: Backfill, count: int) -> None:
    action = "backfill.rerun" if new.parent_number else "backfill.create"
    told = {
        "workflow_id": new.workflow_id,
        "schedule_id": new.schedule_id,
        "attempt_name": new.settings.name,
        "sessions": count,
        "session_from": new.session_from,
        "session_to": new.session_to,
        "daily_execution_windows": new.settings.daily_execution_windows,
        "timezone": new.settings.timezone,
        "max_in_flight": new.settings.max_in_flight,
        "parent_id": new.parent_id,
    }
    await audit.record_on(connection, actor, action, backfill, at=new.created_at, reason=new.settings.reason, new=told)
