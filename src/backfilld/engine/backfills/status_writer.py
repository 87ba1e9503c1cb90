"""Where a backfill stands, kept the same in memory and in the database.

A runner changes status and reason only through here: by compare-and-set, under its fence, patiently
while the database is away. What somebody else changed meanwhile wins, and is put in force at the gate
before anything is told about it.
"""

import contextlib
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any, TypeVar

from backfilld.domain.backfills.holding import OUTAGES, WAITING, Reason, shown
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.calendars import shown_zone
from backfilld.engine.backfills.context import BackfillContext
from backfilld.engine.backfills.gate import Gate
from backfilld.engine.service import Patience
from backfilld.engine.starting.leases import Lease, LeaseGone
from backfilld.events import BackfillHeldUp, StatusChanged
from backfilld.store.backfills.leases import Grant

T = TypeVar("T")

REMARK_LASTS = timedelta(seconds=5)  # so old may a number in a text be, to others than its owner
WORTH_TELLING = timedelta(seconds=1)  # an obstacle that is gone sooner is not written down


class StatusWriter:
    """The status of one backfill, as its owner sees and changes it."""

    def __init__(self, backfill: Backfill, lease: Lease[Grant], gate: Gate, tools: BackfillContext) -> None:
        self._number = backfill.number
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
    def obstacle_since(self) -> datetime | None:
        """When that wait began."""
        return self._patience.since

    @property
    def status(self) -> Status:
        return self.backfill.status

    async def learn(self) -> None:
        """Read the row again and put it in force: no start that it forbids passes the gate any more."""
        row = await self.patiently(lambda: self._tools.backfills.find_by_number(self._number))
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
        zone = shown_zone(self.backfill)
        row = await self.patiently(
            lambda: self._tools.backfills.move(
                self._number,
                wanted,
                reason=None if reason is None else reason.written(zone),
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
        self.moved(row, begins=reason)
        return True

    def moved(self, row: Backfill, *, begins: Reason | None = None) -> None:
        """Put a change of our own in force, and tell of it; `begins`: what was to be said, if it is new."""
        was, reason = self.backfill, row.reason
        again = shown(was.status, was.reason) == shown(row.status, reason)
        if reason is not None and begins is not None and reason.code in OUTAGES:
            lasts = was.reason is not None and was.reason.is_like(reason)
            again = lasts or reason.since < begins.since
        self._gate.apply(row)
        self._tools.bus.tell(
            StatusChanged(
                row.id,
                row.workflow_name,
                row.status.value,
                reason.code.value if reason else None,
                reason.message if reason else None,
                reason.until if reason else None,
                again or None,
            )
        )

    async def stand_still(self, reason: Reason, *, wake_at: datetime | None = None) -> bool:
        """Say why nothing starts; False if the status was changed by somebody else meanwhile."""
        now = self._tools.clock.now()
        present = self.backfill.reason
        wanted = Status.WAITING if reason.code in WAITING else Status.RUNNING
        if self.status is Status.PLANNING:
            wanted = Status.PLANNING
        same = present is not None and present.is_like(reason) and present.until == reason.until
        if same and self.status is wanted and self.backfill.wake_at == wake_at:
            return True
        if wanted is not Status.WAITING and reason.until is not None and reason.until - now < WORTH_TELLING:
            return True
        expected = (wanted,) if wanted is Status.PLANNING else (Status.RUNNING, Status.WAITING)
        return await self.move(wanted, reason.lasting(present), expected=expected, wake_at=wake_at)

    async def go_on(self, remark: Reason | None = None) -> bool:
        """Say that nothing is in the way (`remark`: nevertheless something is to be said).

        False if the status was changed by somebody else meanwhile.
        """
        if self.status is Status.RUNNING and self.backfill.wake_at is None and self._is_said(remark):
            return True
        return await self.move(Status.RUNNING, remark, expected=(Status.RUNNING, Status.WAITING))

    def _is_said(self, remark: Reason | None) -> bool:
        """True if the row says it, or said something very like it a moment ago."""
        present = self.backfill.reason
        if present is None or remark is None or present.code is not remark.code:
            return present is remark
        is_late = self._tools.clock.now() - self.backfill.updated_at > REMARK_LASTS
        return present.message == remark.message or not is_late

    async def recovered(self) -> None:
        """Nothing is repeated any more."""
        reason = self.backfill.reason
        if reason is not None and reason.code is ReasonCode.RECOVERING:
            await self.move(self.status, expected=(self.status,))

    async def note_first_start(self) -> None:
        """Write down when the backfill really began, once it has; nobody waits for that."""
        await self._gate.first_start.wait()
        at, fence = self._tools.clock.now(), self._lease.fence
        with contextlib.suppress(LeaseGone):
            await self.patiently(lambda: self._tools.ledger.note_start(self._number, fence, at))

    def look_again(self) -> None:
        """Something may start now that could not before."""
        self._gate.changed.set()

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Do it again while the database is away; raises LeaseGone once the lease is lost."""
        return await self._patience.insist(call, check=self._lease.check)
