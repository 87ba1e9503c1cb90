"""Once more for the sessions that failed in a backfill: a child that makes new attempts of them.

The child's attempts are named after the parent's, `<name>:rerun-<n>`, and carry the params that the failed ones had;
the workflow is the one of now.
"""

import re
from collections.abc import Sequence

from backfilld.clock import Clock
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfill_settings import usual_zone
from backfilld.domain.backfills.records import Backfill, Progress
from backfilld.domain.errors import Conflict
from backfilld.domain.sessions.records import LONGEST_ATTEMPT_NAME
from backfilld.operations.backfills.create import CREATED, Created, Render
from backfilld.operations.backfills.idempotency import Idempotency, Keyed
from backfilld.operations.backfills.view import Viewer
from backfilld.operations.estimating.counting import CostEstimate
from backfilld.operations.sessions.create import Made, SessionBackfills, Workplace, new_backfill
from backfilld.operations.sessions.plan import Plan
from backfilld.store.admin.runnable_workflows import RunnableWorkflow
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.sessions import plans
from backfilld.store.sessions.plans import PlannedAttempt
from backfilld.store.sessions.sessions import AttemptNameTaken

_COMPARED = 200  # a long name is cut for its suffix; so much of it stays in any case
_SUFFIX = re.compile(r":rerun-([0-9]+)$")


class ScheduleReruns:
    """Makes the children of backfills over sessions."""

    def __init__(
        self, pool: Pool, backfills: SessionBackfills, idempotency: Idempotency, viewer: Viewer, clock: Clock
    ) -> None:
        self._pool = pool
        self._backfills = backfills
        self._idempotency = idempotency
        self._viewer = viewer
        self._clock = clock

    async def rerun(
        self,
        actor: Actor,
        parent: Backfill,
        target: RunnableWorkflow,
        ids: Sequence[str],
        *,
        why: str | None,
        warnings: tuple[str, ...] = (),
        keyed: Keyed | None,
        render: Render,
    ) -> Created:
        """A child over the items `ids` of the parent's plan. Conflict if somebody has made the same in this moment."""
        speed = await self._viewer.expected(parent.workflow_id)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._idempotency.claim(keyed, on=connection)
                failed = await plans.list_attempts_of_sessions(connection, parent.number, ids)
                name = await _next_name(connection, parent, failed)
                plan = Plan(name, [one.session_time for one in failed], [one.params for one in failed])
                made = await self._make(connection, actor, parent, target, failed, plan, why)
                cost = CostEstimate(target.credits_per_entity, len(failed))
                view = self._viewer.view(made.backfill, Progress(planned=len(made.attempts)), speed)
                created = Created(view, cost, warnings)
                await self._idempotency.keep(keyed, render(created), status=CREATED, on=connection)
        except AttemptNameTaken as problem:
            message = f"somebody has just made attempts named {str(problem)!r}; ask again"
            raise Conflict(message, code="attempt_exists") from problem
        self._backfills.wake(made)
        return created

    async def _make(
        self,
        connection: Connection,
        actor: Actor,
        parent: Backfill,
        target: RunnableWorkflow,
        failed: Sequence[PlannedAttempt],
        plan: Plan,
        why: str | None,
    ) -> Made:
        timezone = usual_zone(target.definition)
        place = Workplace(failed[0].project_id, failed[0].project_name, timezone, target)
        assert parent.schedule_id is not None  # noqa: S101  # the table sees to it
        new = new_backfill(
            actor,
            place,
            plan,
            schedule_id=parent.schedule_id,
            at=self._clock.now(),
            settings=parent.settings.for_rerun(name=plan.name or None, reason=why),
            parent=parent,
        )
        return await self._backfills.store(connection, actor, new, place, plan)


async def _next_name(connection: Connection, parent: Backfill, failed: Sequence[PlannedAttempt]) -> str:
    """The parent's name with the next number that none of the sessions has seen."""
    base = _SUFFIX.sub("", failed[0].name)
    times = [one.session_time for one in failed]
    used = await plans.list_rerun_names(connection, parent.workflow_id, times, base[:_COMPARED])
    numbers = [int(match[1]) for name in used if (match := _SUFFIX.search(name))]
    suffix = f":rerun-{max(numbers, default=0) + 1}"
    return base[: LONGEST_ATTEMPT_NAME - len(suffix)] + suffix
