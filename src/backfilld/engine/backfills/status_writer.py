"""Where a backfill stands, kept the same in memory and in the database.

A runner changes status and reason only through here: by compare-and-set, under its fence, patiently
while the database is away. What somebody else changed meanwhile wins, and is put in force at the gate
before anything is told about it.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any, TypeVar

from backfilld.domain.backfills.records import Backfill, Reason
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.engine.backfills.context import BackfillContext
from backfilld.engine.backfills.gate import Gate
from backfilld.engine.service import Patience
from backfilld.engine.starting.leases import Lease
from backfilld.events import BackfillHeldUp, StatusChanged
from backfilld.store.backfills.leases import Grant

T = TypeVar("T")

WORTH_TELLING = timedelta(seconds=1)  # an obstacle that is gone sooner is not written down
_WAITING = {ReasonCode.OUTSIDE_WINDOW, ReasonCode.NEVER_OPENS, ReasonCode.WAITING_FOR_RETRY}


class StatusWriter:
    """The status of one backfill, as its owner sees and changes it."""

    def __init__(self, backfill: Backfill, lease: Lease[Grant], gate: Gate, tools: BackfillContext) -> None:
        self._no = backfill.no
        self._lease = lease
        self._gate = gate
        self._tools = tools
        self._patience = Patience(
            tools.clock, lambda problem: tools.bus.tell(BackfillHeldUp(self.backfill.id, repr(problem)))
        )

    @property
    def backfill(self) -> Backfill:
        return self._gate.backfill

    @property
    def obstacle(self) -> Exception | None:
        """Why the database is waited for; None if it is not."""
        return self._patience.obstacle

    @property
    def status(self) -> Status:
        return self.backfill.status

    async def learn(self) -> None:
        """Read the row again and put it in force: no start that it forbids passes the gate any more."""
        row = await self.patiently(lambda: self._tools.backfills.find_by_no(self._no))
        if row is None:
            self._lease.lost = True
            self._gate.changed.set()
            return
        self._gate.apply(row)

    async def move(
        self,
        wanted: Status,
        reason: Reason | None = None,
        *,
        expected: Collection[Status] | None = None,
        wake_at: datetime | None = None,
        **changes: Any,
    ) -> bool:
        """Change the status; False if somebody else was faster (their change is in force then)."""
        row = await self.patiently(
            lambda: self._tools.backfills.move(
                self._no,
                wanted,
                reason=reason,
                at=self._tools.clock.now(),
                expected=expected,
                fence=self._lease.fence,
                wake_at=wake_at,
                **changes,
            )
        )
        if row is None:
            await self.learn()
            return False
        self.moved(row)
        return True

    def moved(self, row: Backfill) -> None:
        """Put a change of our own in force, and tell of it."""
        self._gate.apply(row)
        reason = row.reason
        self._tools.bus.tell(
            StatusChanged(
                row.id,
                row.workflow_name,
                row.status.value,
                reason.code.value if reason else None,
                reason.message if reason else None,
                reason.until if reason else None,
            )
        )

    async def stand_still(
        self, code: ReasonCode, message: str, until: datetime | None = None, *, wake_at: datetime | None = None
    ) -> bool:
        """Say why nothing starts; False if the status was changed by somebody else meanwhile."""
        now = self._tools.clock.now()
        present = self.backfill.reason
        wanted = Status.WAITING if code in _WAITING else Status.RUNNING
        if self.status is Status.PLANNING:
            wanted = Status.PLANNING
        same = present is not None and (present.code, present.until) == (code, until) and self.status is wanted
        if same and self.backfill.wake_at == wake_at:
            return True
        if wanted is not Status.WAITING and until is not None and until - now < WORTH_TELLING:
            return True
        since = present.since if present is not None and present.code is code else now
        reason = Reason(code, message, since, until)
        expected = (wanted,) if wanted is Status.PLANNING else (Status.RUNNING, Status.WAITING)
        return await self.move(wanted, reason, expected=expected, wake_at=wake_at)

    async def go_on(self) -> bool:
        """Say that nothing is in the way; False if the status was changed by somebody else meanwhile."""
        if self.status is Status.RUNNING and self.backfill.reason is None and self.backfill.wake_at is None:
            return True
        return await self.move(Status.RUNNING, expected=(Status.RUNNING, Status.WAITING))

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Do it again while the database is away; raises LeaseGone once the lease is lost."""
        return await self._patience.insist(call, check=self._lease.check)
