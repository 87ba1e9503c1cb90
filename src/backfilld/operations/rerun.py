"""Once more for those that ended so: a child backfill over entities of a frozen plan, by what became of them.

The filter is not asked again, because it may match others by now: the child is made of ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from backfilld.clock import Clock
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfill_settings import can_rehearse
from backfilld.domain.backfills.records import ENTITIES, Backfill, Progress
from backfilld.domain.backfills.states import ENDED
from backfilld.domain.errors import FAULTS_SHOWN, Conflict, Fault, Invalid
from backfilld.operations.backfills.check import Limits
from backfilld.operations.backfills.create import Created, Creator, Render
from backfilld.operations.backfills.idempotency import Keyed
from backfilld.operations.backfills.ids_found import doubled_warnings
from backfilld.operations.sessions.rerun import ScheduleReruns
from backfilld.store.admin.runnable_workflows import RunnableWorkflow, RunnableWorkflowStore
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.ids import FAILED, EndedIn
from backfilld.store.backfills.rows import NewBackfill
from backfilld.store.ledger.pages import LedgerPages


class NotRerunnable(Conflict):
    """There is nothing to run again, or not yet."""

    code = "backfill_not_rerunnable"


_OTHER = ("other_status", "has another status")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items of the parent: those that ended in one of `statuses`; of `error_class`, `error_group` (a fingerprint)
    and `entity_ids` alone, if they are given."""

    statuses: tuple[str, ...] = FAILED
    entity_ids: Sequence[str] | None = None
    error_class: str | None = None
    error_group: bytes | None = None

    @property
    def is_of_failures(self) -> bool:
        """Whether it says how they failed."""
        return self.error_class is not None or self.error_group is not None


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
        self, actor: Actor, id: UUID, wanted: Wanted | None = None, *, why: str | None = None, keyed: Keyed | None,
        render: Render,
    ) -> Created:  # fmt: skip
        """A child over the items that failed."""
        return await self.rerun(actor, id, wanted or Wanted(), why=why, keyed=keyed, render=render)

    async def rerun(
        self, actor: Actor, id: UUID, wanted: Wanted, *, why: str | None = None, keyed: Keyed | None, render: Render
    ) -> Created:
        """A child over the items that are wanted.

        NotFound; NotRerunnable unless it has ended with some of them; Conflict for an active backfill of the workflow
        or a disabled one; Invalid for ids that did not end so there.
        """
        parent, chosen = await self._chosen(id, wanted)
        warnings = () if wanted.entity_ids is None else _about_ids(wanted.entity_ids, chosen)
        target = await self._target(parent)
        if parent.is_schedule and not isinstance(chosen, EndedIn):
            return await self._sessions.rerun(
                actor, parent, target, chosen, why=why, warnings=warnings, keyed=keyed, render=render
            )
        new = self._child(actor, parent, target, chosen, why)
        return await self._creator.store(actor, new, None, warnings, keyed=keyed, render=render)

    async def count(self, id: UUID, wanted: Wanted) -> int:
        """How many a rerun would cover. As `rerun`, and nothing is made."""
        parent, chosen = await self._chosen(id, wanted)
        if not isinstance(chosen, EndedIn):
            return len(chosen)
        if wanted.is_of_failures:
            return await self._ledger.count_failed(parent.number, chosen.error_class, chosen.error_group)
        _, progress = await self._store.get_with_progress(id)
        return _ended_so(progress, wanted.statuses)

    async def _chosen(self, id: UUID, wanted: Wanted) -> tuple[Backfill, "list[str] | EndedIn"]:
        parent, progress = await self._store.get_with_progress(id)
        if parent.status not in ENDED:
            raise NotRerunnable(f"backfill {id} is {parent.status}; it can be rerun when it has ended")
        if wanted.is_of_failures and wanted.statuses != FAILED:
            path = "/error_group" if wanted.error_class is None else "/error_class"
            raise Invalid([Fault(path, "not_failed", "only what failed has one; ask for status failed alone")])
        if _ended_so(progress, wanted.statuses) == 0:
            what = " or ".join(wanted.statuses)
            raise NotRerunnable(f"backfill {id} has nothing that is {what}, so there is nothing to rerun")
        if wanted.entity_ids is None and not parent.is_schedule:
            return parent, await self._all(parent, wanted)
        return parent, await self._choose(parent, wanted)

    async def _all(self, parent: Backfill, wanted: Wanted) -> EndedIn:
        """However many there are: they are copied where they lie."""
        ways = wanted.error_class, wanted.error_group
        if wanted.is_of_failures and not await self._ledger.count_failed(parent.number, *ways):
            raise Invalid([await self._no_such(parent, wanted)])
        return EndedIn(parent.number, *ways, wanted.statuses)

    async def _choose(self, parent: Backfill, wanted: Wanted) -> list[str]:
        ids, statuses = wanted.entity_ids, wanted.statuses
        among = None if ids is None else list(dict.fromkeys(ids))
        ended = await self._ledger.list_ended_ids(parent.number, statuses=statuses, among=among)
        if ids is not None and len(ended) < len(among or ()):
            raise Invalid(await self._strangers(parent, ids, frozenset(ended), statuses))
        if wanted.is_of_failures:
            ended = await self._ledger.list_ended_ids(
                parent.number,
                statuses=statuses,
                among=among,
                error_class=wanted.error_class,
                error_group=wanted.error_group,
            )
        if not ended:
            raise Invalid([await self._no_such(parent, wanted)])
        return ended

    async def _strangers(
        self, parent: Backfill, ids: Sequence[str], ended: frozenset[str], statuses: tuple[str, ...]
    ) -> list[Fault]:
        others = [(number, id) for number, id in enumerate(ids) if id not in ended][:FAULTS_SHOWN]
        planned = await self._ledger.list_planned_among(parent.number, [id for _, id in others])
        code, did_not = ("not_failed", "did not fail") if statuses == FAILED else _OTHER
        return [
            Fault(f"/entity_ids/{number}", code, f"{id!r} {did_not} in this backfill")
            if id in planned
            else Fault(f"/entity_ids/{number}", "unknown_entity", f"{id!r} is not in the plan of this backfill")
            for number, id in others
        ]

    async def _no_such(self, parent: Backfill, wanted: Wanted) -> Fault:
        if not wanted.is_of_failures:
            return Fault("/entity_ids", "too_short", "names no entity; leave it out for all that failed")
        if wanted.error_class is None:
            return Fault("/error_group", "unknown_error_group", "nothing chosen failed like that")
        known = tuple(await self._ledger.list_error_classes(parent.number))
        return Fault("/error_class", "unknown_error_class", f"nothing chosen failed with {wanted.error_class!r}", known)

    async def _target(self, parent: Backfill) -> RunnableWorkflow:
        target = await self._targets.find(parent.workflow_id)
        if target is None or not target.enabled:
            deleted = f"workflow {parent.workflow_id} ({parent.workflow_name}) is deleted"
            raise Conflict(target.disabled_text if target else deleted, code="workflow_disabled")
        if parent.settings.rehearsal and not can_rehearse(target.definition):
            message = f"workflow {parent.workflow_id} ({parent.workflow_name}) cannot rehearse any more"
            raise Conflict(message, code="rehearsal_not_supported")
        return target

    def _child(
        self, actor: Actor, parent: Backfill, target: RunnableWorkflow, ids: list[str] | EndedIn, why: str | None
    ) -> NewBackfill:
        return NewBackfill(
            id=uuid4(),
            kind=ENTITIES,
            parent_number=parent.number,
            parent_id=parent.id,
            workflow_id=target.workflow_id,
            revision_id=target.revision_id,
            settings=parent.settings.for_rerun(reason=why),
            filter_resolved=None,  # the filter is shown, and not evaluated again
            entity_ids=ids,
            credits_per_entity=target.credits_per_entity,
            created_by=actor.identity,
            created_at=self._clock.now(),
            exclusive=not self._limits.allow_concurrent_per_workflow,
        )


def _ended_so(progress: Progress, statuses: Sequence[str]) -> int:
    return sum(getattr(progress, status) for status in statuses)


def _about_ids(named: Sequence[str], chosen: Sequence[str] | EndedIn) -> tuple[str, ...]:
    """What to say of ids that are left out, or were named twice."""
    warnings = doubled_warnings(named)
    left_out = 0 if isinstance(chosen, EndedIn) else len(set(named)) - len(chosen)
    if left_out:
        what = "1 of the entity_ids is" if left_out == 1 else f"{left_out:,} of the entity_ids are"
        warnings.append(f"{what} left out: failed in another way")
    return tuple(warnings)
