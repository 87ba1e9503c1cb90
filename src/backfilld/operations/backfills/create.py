"""Making a backfill: one transaction, so that there is either all of it or nothing."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.records import ENTITIES, Backfill, Progress
from backfilld.domain.entities.ids import NamedIds
from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.domain.filters import Tree, to_json
from backfilld.engine.backfills.planning.plan_walk import Scope
from backfilld.engine.control import Control
from backfilld.events import BackfillCreated
from backfilld.operations.backfills.check import Limits, Wanted, opening_warnings
from backfilld.operations.backfills.idempotency import Idempotency, Keyed
from backfilld.operations.backfills.ids_found import IdsFound, IdsLook
from backfilld.operations.backfills.reprocess_warning import ReprocessWarning
from backfilld.operations.backfills.view import BackfillView, Viewer
from backfilld.operations.estimating.counting import CostEstimate, Counter, estimate_warnings
from backfilld.operations.hints.field_hints import FieldHints
from backfilld.store.admin import audit
from backfilld.store.admin.runnable_workflows import RunnableWorkflow
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.rows import NewBackfill
from backfilld.store.connection.pool import Pool

CREATED = 201


@dataclass(frozen=True, slots=True)
class Created:
    """A backfill that was just made, and what is worth saying about it."""

    view: BackfillView
    cost: CostEstimate
    warnings: tuple[str, ...] = ()
    found: IdsFound | None = None


Render = Callable[[Created], Mapping[str, Any]]  # the answer, as JSON values, that is kept under an idempotency key


class Creator:
    """Makes backfills."""

    def __init__(
        self,
        pool: Pool,
        store: BackfillStore,
        idempotency: Idempotency,
        counter: Counter,
        left_out: ReprocessWarning,
        hints: FieldHints,
        ids_look: IdsLook,
        viewer: Viewer,
        control: Control,
        clock: Clock,
        limits: Limits,
        bus: Bus,
    ) -> None:
        self._pool = pool
        self._store = store
        self._idempotency = idempotency
        self._counter = counter
        self._left_out = left_out
        self._hints = hints
        self._ids_look = ids_look
        self._viewer = viewer
        self._control = control
        self._clock = clock
        self._limits = limits
        self._bus = bus

    async def create(self, actor: Actor, wanted: Wanted, *, keyed: Keyed | None, render: Render) -> Created:
        """Make the backfill that was asked for. Invalid; Conflict if the workflow has an active one, or of the key.

        `render` gives what is answered, and answered again to whoever repeats the request under its key.
        """
        target, calendar, tree = wanted.whole()
        settings, checked = wanted.settings, wanted.checked
        ids = wanted.entity_ids
        (total, warnings), left_out, look, found = await asyncio.gather(
            self._counter.count(wanted.entity_type, tree, ids),
            self._left_out.warnings(target.workflow_id, wanted.entity_type, settings.reprocess_behavior, ids),
            self._hints.look(wanted.entity_type, tree, written=checked.written, entity_ids=ids),
            self._ids_look.look(Scope(wanted.entity_type, tree, ids)),
        )
        now = self._clock.now()
        warnings = [
            *checked.warnings,
            *opening_warnings(calendar, now),
            *warnings,
            *estimate_warnings(total, settings.total_estimated),
            *left_out,
            *look.warnings(total),
            *await self._hints.remarks(wanted.entity_type),
            *(found.warnings() if found else ()),
        ]
        new = self._new(actor, wanted, target, tree)
        return await self.store(actor, new, total, tuple(warnings), keyed=keyed, render=render, found=found)

    async def store(
        self,
        actor: Actor,
        new: NewBackfill,
        total: int | None,
        warnings: tuple[str, ...],
        *,
        keyed: Keyed | None,
        render: Render,
        found: IdsFound | None = None,
    ) -> Created:
        """Commit a backfill, its audit row and its idempotency key, and wake the engine.

        `total` is how many entities will be planned, as far as it is known; a list of ids says it by itself.
        """
        if self._limits.approval_by_another:
            new = replace(new, settings=new.settings.to_be_approved_by_another())
        async with self._pool.acquire() as connection, connection.transaction():
            await self._idempotency.claim(keyed, on=connection)
            backfill = await self._store.insert(new, on=connection)
            action, at = "backfill.rerun" if new.parent_number else "backfill.create", new.created_at
            told = _told(new, backfill.named_ids)
            await audit.record_on(connection, actor, action, backfill, at=at, reason=new.settings.reason, new=told)
            cost = CostEstimate(new.credits_per_entity, backfill.named_ids.count if backfill.named_ids else total)
            created = Created(self._viewer.view(backfill, Progress()), cost, warnings, found)
            await self._idempotency.keep(keyed, render(created), status=CREATED, on=connection)
            reached(Point.CREATE_BEFORE_COMMIT)
        reached(Point.CREATE_AFTER_COMMIT)
        self._tell(backfill)
        return created

    def _tell(self, backfill: Backfill) -> None:
        self._bus.tell(
            BackfillCreated(backfill.id, backfill.workflow_name, backfill.settings.entity_type, backfill.created_by)
        )
        self._control.nudge()

    def _new(self, actor: Actor, wanted: Wanted, target: RunnableWorkflow, tree: Tree) -> NewBackfill:
        return NewBackfill(
            id=uuid4(),
            kind=ENTITIES,
            workflow_id=target.workflow_id,
            revision_id=target.revision_id,
            settings=wanted.settings,
            filter_resolved=None if wanted.entity_type == NOT_ENUMERABLE else to_json(tree),
            entity_ids=wanted.entity_ids,
            credits_per_entity=target.credits_per_entity,
            created_by=actor.identity,
            created_at=self._clock.now(),
            exclusive=not self._limits.allow_concurrent_per_workflow,
        )


def _told(new: NewBackfill, ids: NamedIds | None) -> dict[str, Any]:
    """What the audit trail keeps of the settings: enough to see what was asked for, bounded in size."""
    settings = new.settings
    return {
        "workflow_id": new.workflow_id,
        "entity_type": settings.entity_type,
        "filter_spec": settings.filter_spec,
        "daily_execution_windows": settings.daily_execution_windows,
        "timezone": settings.timezone,
        "max_in_flight": settings.max_in_flight,
        "entity_ids_count": ids and ids.count,
        "entity_ids_digest": ids and ids.digest,
        "parent_id": new.parent_id,
    }
