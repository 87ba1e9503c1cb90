"""Once more for those that failed: a child backfill over the failed entities of a frozen plan.

The filter is not asked again, because it may match others by now: the child is made of the ids that failed.
"""

from collections.abc import Sequence
from uuid import UUID, uuid4

from backfilld.clock import Clock
from backfilld.domain.backfills.records import ENTITIES, Backfill
from backfilld.domain.backfills.states import ENDED
from backfilld.domain.callers import Actor
from backfilld.domain.errors import FAULTS_SHOWN, Conflict, Fault, Invalid
from backfilld.operations.backfills.check import Limits
from backfilld.operations.backfills.create import Created, Creator, Render
from backfilld.operations.backfills.idempotency import Keyed
from backfilld.operations.backfills.ids_found import doubled_warnings
from backfilld.operations.sessions.rerun import ScheduleReruns
from backfilld.store.admin.runnable_workflows import RunnableWorkflow, RunnableWorkflowStore
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.ids import FailedIn
from backfilld.store.backfills.rows import NewBackfill
from backfilld.store.ledger.pages import LedgerPages


class NotRerunnable(Conflict):
    """There is nothing to run again, or not yet."""

    code = "backfill_not_rerunnable"


class Rerunner:
    """Makes children of ended backfills."""

    def __init__(
        self,
        store: BackfillStore,
        ledger: LedgerPages,
        targets: RunnableWorkflowStore,
        creator: Creator,
        sessions: ScheduleReruns,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._ledger = ledger
        self._targets = targets
        self._creator = creator
        self._clock = clock
        self._limits = limits

    async def rerun_failed(
        self,
        actor: Actor,
        id: UUID,
        *,
        entity_ids: Sequence[str] | None = None,
        error_class: str | None = None,
        why: str | None = None,
        keyed: Keyed | None,
        render: Render,
    ) -> Created:
        """A child over the items that failed; only those of `entity_ids` and `error_class`, if given.

        NotFound; NotRerunnable unless it has ended with failures; Conflict for an active backfill of the workflow or
        a disabled one; Invalid for ids that did not fail there.
        """
        parent, progress = await self._store.get_with_progress(id)
        if parent.status not in ENDED:
            raise NotRerunnable(f"backfill {id} is {parent.status}; it can be rerun when it has ended")
        if progress.failed == 0:
            raise NotRerunnable(f"backfill {id} has nothing that failed, so there is nothing to rerun")
        if entity_ids is None and not parent.is_schedule:
            chosen: list[str] | FailedIn = await self._all_failed(parent, error_class)
        else:
            chosen = await self._choose(parent, entity_ids, error_class)
        warnings = () if entity_ids is None else _about_ids(entity_ids, chosen)
        target = await self._target(parent)
        if parent.is_schedule and not isinstance(chosen, FailedIn):
            return await self._sessions.rerun(
                actor, parent, target, chosen, why=why, warnings=warnings, keyed=keyed, render=render
            )
        new = self._child(actor, parent, target, chosen, why)
        return await self._creator.store(actor, new, None, warnings, keyed=keyed, render=render)

    async def _all_failed(self, parent: Backfill, error_class: str | None) -> FailedIn:
        """However many there are: they are copied where they lie."""
        if error_class is not None and not await self._ledger.has_failed(parent.number, error_class):
            raise Invalid([await self._no_such_class(parent, error_class)])
        return FailedIn(parent.number, error_class)

    async def _choose(self, parent: Backfill, ids: Sequence[str] | None, error_class: str | None) -> list[str]:
        among = None if ids is None else list(dict.fromkeys(ids))
        failed = await self._ledger.list_failed_ids(parent.number, among=among)
        if ids is not None and len(failed) < len(among or ()):
            raise Invalid(await self._strangers(parent, ids, frozenset(failed)))
        if error_class is not None:
            failed = await self._ledger.list_failed_ids(parent.number, among=among, error_class=error_class)
        if not failed:
            raise Invalid([await self._no_such_class(parent, error_class)])
        return failed

    async def _strangers(self, parent: Backfill, ids: Sequence[str], failed: frozenset[str]) -> list[Fault]:
        others = [(number, id) for number, id in enumerate(ids) if id not in failed][:FAULTS_SHOWN]
        planned = await self._ledger.list_planned_among(parent.number, [id for _, id in others])
        return [
            Fault(f"/entity_ids/{number}", "not_failed", f"{id!r} did not fail in this backfill")
            if id in planned
            else Fault(f"/entity_ids/{number}", "unknown_entity", f"{id!r} is not in the plan of this backfill")
            for number, id in others
        ]

    async def _no_such_class(self, parent: Backfill, error_class: str | None) -> Fault:
        if error_class is None:
            return Fault("/entity_ids", "too_short", "names no entity; leave it out for all that failed")
        known = tuple(await self._ledger.list_error_classes(parent.number))
        return Fault("/error_class", "unknown_error_class", f"nothing chosen failed with {error_class!r}", known)

    async def _target(self, parent: Backfill) -> RunnableWorkflow:
        target = await self._targets.find(parent.workflow_id)
        if target is None or not target.enabled:
            state = "disabled" if target else "deleted"
            raise Conflict(
                f"workflow {parent.workflow_id} ({parent.workflow_name}) is {state}", code="workflow_disabled"
            )
        return target

    def _child(
        self, actor: Actor, parent: Backfill, target: RunnableWorkflow, ids: list[str] | FailedIn, why: str | None
    ) -> NewBackfill:
        return NewBackfill(
            id=uuid4(),
            kind=ENTITIES,
            parent_number=parent.number,
            parent_id=parent.id,
            workflow_id=target.workflow_id,
            revision_id=target.revision_id,
            settings=parent.settings.for_rerun(name=parent.settings.name, reason=why),
            filter_resolved=None,  # the filter is shown, and not evaluated again
            entity_ids=ids,
            credits_per_entity=target.credits_per_entity,
            created_by=actor.identity,
            created_at=self._clock.now(),
            exclusive=not self._limits.allow_concurrent_per_workflow,
        )


def _about_ids(named: Sequence[str], chosen: Sequence[str] | FailedIn) -> tuple[str, ...]:
    """What to say of ids that are left out, or were named twice."""
    warnings = doubled_warnings(named)
    left_out = 0 if isinstance(chosen, FailedIn) else len(set(named)) - len(chosen)
    if left_out:
        what = "1 of the entity_ids is" if left_out == 1 else f"{left_out:,} of the entity_ids are"
        warnings.append(f"{what} left out: failed with another error_class")
    return tuple(warnings)
