"""What people may ask for about backfills, in one place for both dialects, the dashboard and the tests.

The verbs live in modules of their own; here their parts are made, and found by name.
"""

from collections.abc import Sequence
from uuid import UUID

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.records import Backfill, Progress
from backfilld.domain.backfills.states import ENDED
from backfilld.domain.errors import Conflict, NotFound
from backfilld.domain.unreadable import UnreadableRow
from backfilld.engine.control import Control
from backfilld.operations.backfills.approval import Approval
from backfilld.operations.backfills.check import Asked, Checked, Checker, Limits
from backfilld.operations.backfills.create import Creator
from backfilld.operations.backfills.idempotency import Idempotency
from backfilld.operations.backfills.ids_found import IdsLook
from backfilld.operations.backfills.ledger import LedgerReading
from backfilld.operations.backfills.plan_preview import PlanPreviewer
from backfilld.operations.backfills.preview import Previewer
from backfilld.operations.backfills.reprocess_warning import ReprocessWarning
from backfilld.operations.backfills.steer import Steering
from backfilld.operations.backfills.view import BackfillView, Viewer
from backfilld.operations.estimating.counting import Counter
from backfilld.operations.estimating.speeds import Around, Nothing, Speeds
from backfilld.operations.hints.field_hints import FieldHints
from backfilld.operations.hints.field_sample import FieldSampler
from backfilld.operations.overview import Overview
from backfilld.operations.rerun import Rerunner
from backfilld.operations.sessions.create import SessionBackfills
from backfilld.operations.sessions.rerun import ScheduleReruns
from backfilld.operations.steering.alter import Altering
from backfilld.operations.steering.clone import Cloner
from backfilld.operations.steering.edit import Editor
from backfilld.operations.steering.override import Overriding
from backfilld.operations.steering.try_now import TryingNow
from backfilld.operations.watching.attributes import AttributeReading
from backfilld.operations.watching.errors import ErrorReading
from backfilld.operations.watching.explain import Explainer
from backfilld.operations.watching.history import History
from backfilld.sources.registry import SourceRegistry
from backfilld.store.admin import audit
from backfilld.store.admin.audit_pages import AuditPages
from backfilld.store.admin.idempotency import IdempotencyStore
from backfilld.store.admin.runnable_workflows import RunnableWorkflowStore
from backfilld.store.backfills.backfills import BackfillFilter, BackfillStore
from backfilld.store.backfills.removal import RemovalStore
from backfilld.store.connection.pool import Pool
from backfilld.store.history.error_groups import ErrorGroups
from backfilld.store.ledger.last_runs import LastRunsStore
from backfilld.store.ledger.pages import LedgerPages


class NotEnded(Conflict):
    """Something that is still going on cannot be deleted."""

    code = "backfill_not_ended"


class BackfillOperations:
    """All of it. One per process, because it knows which requests are under way."""

    def __init__(
        self,
        pool: Pool,
        *,
        sources: SourceRegistry,
        control: Control,
        clock: Clock,
        limits: Limits,
        bus: Bus | None = None,
        around: Around | None = None,
    ) -> None:
        bus = bus or Bus()
        timeout = limits.count_timeout_seconds
        targets, ledger, last_runs = RunnableWorkflowStore(pool), LedgerPages(pool), LastRunsStore(pool)
        self.limits = limits
        self.clock = clock
        self._pool = pool
        self._store = BackfillStore(pool)
        self._removal = RemovalStore(pool)
        self._targets = targets
        self._control = control
        self._clock = clock
        self.history = History(pool, self._store, clock)
        self._viewer = Viewer(control, clock, speeds := Speeds(self.history, targets, around or Nothing(), clock))
        self._checker = Checker(targets, sources, clock, limits)
        self.idempotency = Idempotency(IdempotencyStore(pool), clock)
        hints = FieldHints(sources, timeout, clock)
        self.creator = Creator(
            pool, self._store, self.idempotency, Counter(sources, timeout),
            ReprocessWarning(ledger, last_runs, timeout), hints, IdsLook(sources, last_runs, timeout),
            self._viewer, control, clock, limits, bus,
        )  # fmt: skip
        self.previewer = Previewer(PlanPreviewer(sources, last_runs, timeout), hints, speeds, clock)
        self.approval = Approval(pool)
        self.steering = Steering(pool, self._store, self._viewer, control, clock, bus, self.approval)
        altering = Altering(pool, self._store, self._viewer, control, clock, bus)
        self.editor, self.overriding = Editor(altering, sources, clock), Overriding(altering, clock)
        self.cloner = Cloner(pool, self._store)
        self.trying = TryingNow(pool, self._store, self._viewer, control, clock)
        self.sessions = SessionBackfills(
            self._store, control, clock, bus, approval_by_another=limits.approval_by_another
        )
        session_reruns = ScheduleReruns(pool, self.sessions, self.idempotency, self._viewer, clock)
        self.rerunner = Rerunner(self._store, ledger, targets, self.creator, session_reruns, clock, limits)
        self.explainer = Explainer(self._store, self._viewer, ledger, AuditPages(pool))
        self.field_sampler = FieldSampler(sources, clock)
        self.errors = ErrorReading(self._store, ErrorGroups(pool))
        self.ledger = LedgerReading(self._store, ledger, control, clock)
        self.attributes = AttributeReading(ledger, sources, clock)
        self.overview = Overview(self._store, self._viewer, control, clock)

    async def check(self, asked: Asked) -> Checked:
        """What is wrong with a body for `create` or `preview` beyond its types, and what it comes to."""
        return await self._checker.backfill(asked)

    async def check_filter(self, asked: Asked) -> Checked:
        """The same for `verify`."""
        return await self._checker.filter(asked)

    def check_changes(self, asked: Asked) -> Checked:
        """The same for what shall be changed of a backfill."""
        return self._checker.changes(asked)

    async def get(self, id: UUID) -> BackfillView:
        """How a backfill stands. NotFound."""
        return await self._seen(*await self._store.get_with_progress(id))

    async def show(self, id: UUID) -> BackfillView | UnreadableRow:
        """The same, for whoever only wants to look at it."""
        found = await self._store.find_to_show(id)
        if found is None:
            raise NotFound(f"there is no backfill {id}")
        return found if isinstance(found, UnreadableRow) else await self._seen(*found)

    async def find(self, id: UUID) -> BackfillView | None:
        """As `get`; None if there is none, or it was deleted."""
        found = await self._store.find_with_progress(id)
        return await self._seen(*found) if found else None

    async def _seen(self, backfill: Backfill, progress: Progress) -> BackfillView:
        return await self._viewer.see(backfill, progress)

    async def list_page(
        self, wanted: BackfillFilter, *, before_number: int | None = None, limit: int
    ) -> Sequence[BackfillView | UnreadableRow]:
        """The newest `limit` that `wanted` lets through, with a number below `before_number`."""
        found = await self._store.list_page(
            wanted,
            now=self._clock.now(),
            stopped=self._control.stop_reason() is not None,
            before_number=before_number,
            limit=limit,
        )
        seen = iter(await self._viewer.see_all([one for one in found if not isinstance(one, UnreadableRow)]))
        return [one if isinstance(one, UnreadableRow) else next(seen) for one in found]

    async def runnable(self, limit: int) -> Sequence[tuple[int, str]]:
        """Number and name of workflows that a backfill may be made for."""
        return await self._targets.list_enabled(limit)

    async def workflow_of(self, id: int) -> int:
        """The workflow that a number names, be it the workflow's own or a revision's; else the number itself."""
        target = await self._targets.find(id)
        return target.workflow_id if target else id

    async def delete(self, actor: Actor, id: UUID, *, why: str | None = None) -> None:
        """Hide an ended one; its rows go in the background, the audit log keeps what it was. NotFound; NotEnded."""
        found = await self._store.find_to_show(id)  # what cannot be read can be deleted all the same
        if found is None:
            raise NotFound(f"there is no backfill {id}")
        backfill = found if isinstance(found, UnreadableRow) else found[0]
        number, now = backfill.number, self.clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            hidden = await self._store.mark_deleted(number, at=now, on=connection)
            if hidden:
                old = await self._removal.read_evidence(number, on=connection)
                await audit.record(
                    connection, actor, "backfill.delete", f"backfill/{id}",
                    at=now, backfill_number=number, reason=why, old=old,
                )  # fmt: skip
                reached(Point.DELETE_BEFORE_COMMIT)
        if hidden:
            reached(Point.DELETE_AFTER_COMMIT)
        if not hidden and backfill.status not in ENDED:
            raise NotEnded(
                f"backfill {id} is {backfill.status}; only what has ended can be deleted, so cancel it first"
            )
