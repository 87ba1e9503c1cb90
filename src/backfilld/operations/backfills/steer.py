"""Pause, resume, cancel: what people do to a backfill on its way.

The status is committed first, by compare-and-set, together with who did it and why. Then whoever runs the backfill
has to say that he has seen it, and only then is the caller answered: after the answer nothing starts any more.
Asking again for what is already so changes nothing, but waits for the same certainty.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status, may_become
from backfilld.domain.calendars import shown_zone
from backfilld.domain.changes import resumed
from backfilld.domain.errors import Conflict, Fault, Invalid
from backfilld.engine.control import Control
from backfilld.events import StatusChanged
from backfilld.operations.backfills.approval import Approval, awaits_approval
from backfilld.operations.backfills.view import BackfillView, Viewer
from backfilld.store.admin import audit
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

S = Status
InFlight = Literal["drain", "cancel"]
_PAUSABLE = may_become(S.PAUSED) | {S.PAUSED}
MOST_RACES = 20  # each lost one means that somebody else moved the backfill in between
BEFORE_COMMIT = {
    "pause": Point.PAUSE_BEFORE_COMMIT,
    "resume": Point.RESUME_BEFORE_COMMIT,
    "cancel": Point.CANCEL_BEFORE_COMMIT,
}
AFTER_COMMIT = {
    "pause": Point.PAUSE_AFTER_COMMIT,
    "resume": Point.RESUME_AFTER_COMMIT,
    "cancel": Point.CANCEL_AFTER_COMMIT,
}


class IllegalTransition(Conflict):
    """A status was asked to change in a way that `domain.states` does not allow."""

    code = "illegal_transition"

    def __init__(self, backfill: Backfill, signal: str) -> None:
        message = f"backfill {backfill.id} is {backfill.status}; {signal} is not possible any more"
        super().__init__(message, details={"status": backfill.status.value})


@dataclass(frozen=True, slots=True)
class Signal:
    """What became of a wish: `message` is for people, the view is of afterwards."""

    name: str
    message: str
    view: BackfillView
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Move:
    """Where a backfill shall go, and why it will stand still there."""

    status: Status
    reason: Reason | None = None
    wake_at: datetime | None = None
    cancel_in_flight: bool | None = None
    expected: frozenset[Status] | None = None  # None: whatever may become `status`


Decide = Callable[[Backfill], _Move | str]  # the message, if there is nothing to do


class Steering:
    """Moves backfills because people say so."""

    def __init__(
        self,
        pool: Pool,
        store: BackfillStore,
        viewer: Viewer,
        control: Control,
        clock: Clock,
        bus: Bus,
        approval: Approval,
    ) -> None:
        self._approval = approval
        self._pool = pool
        self._store = store
        self._viewer = viewer
        self._control = control
        self._clock = clock
        self._bus = bus

    async def pause(self, actor: Actor, id: UUID, *, why: str | None = None, until: datetime | None = None) -> Signal:
        """Nothing starts once this has returned; what is in flight finishes. IllegalTransition, Unavailable.

        It goes on by itself at `until`. Asked again, that is replaced or, without one, taken back. Invalid for a time
        that is over.
        """
        now = self._clock.now()
        if until is not None and until <= now:
            raise Invalid([Fault("/until", "not_in_the_future", f"is over: it is {now:%Y-%m-%dT%H:%M:%SZ}")])

        def decide(backfill: Backfill) -> _Move | str:
            present, since, said, zone = _pause_of(backfill), now, why, shown_zone(backfill)
            if backfill.status is S.PAUSED:
                if present is None or present.until == until:
                    return "it is paused already"
                since, said = present.since, why or (present.facts or {}).get("why")
            code = ReasonCode.PAUSED_BY_USER
            new = because(code, since=since, until=until, zone=zone, who=actor.name, why=said)
            return _Move(S.PAUSED, new, wake_at=until, expected=_PAUSABLE)

        backfill, note = await self._steer(actor, id, "pause", why, decide)
        await self._control.confirm(backfill.number, backfill.version)
        reached(Point.PAUSE_CONFIRMED)
        ends = "until it is resumed" if until is None else f"until {until:%Y-%m-%dT%H:%M:%SZ}"
        signal = await self._signal(id, "pause", note or f"paused: nothing starts {ends}, what is in flight finishes")
        if backfill.status is not S.PAUSED or _pause_of(backfill) is not None:
            return signal
        said = backfill.reason.message if backfill.reason else "nobody knows why."
        return replace(
            signal, warnings=(f"it stands still for another reason, and stays so until it is resumed: {said}",)
        )

    async def resume(self, actor: Actor, id: UUID, *, why: str | None = None) -> Signal:
        """Go on: planning, running or waiting for the window, whichever is true now. IllegalTransition.

        What waits for approval is approved by that; NeedsAnotherPerson if it takes somebody else.
        """

        def decide(backfill: Backfill) -> _Move | str:
            if backfill.status in (S.PLANNING, S.RUNNING, S.WAITING):
                return f"it is {backfill.status} already"
            return self._onwards(backfill)

        backfill, note = await self._steer(actor, id, "resume", why, decide)
        signal = await self._signal(id, "resume", note or f"{_spoken(backfill, actor)}: it is {backfill.status} now")
        if signal.view.reason is None:
            return signal
        return replace(signal, message=f"{signal.message}, but nothing starts yet: {signal.view.reason.message}")

    async def cancel(self, actor: Actor, id: UUID, *, why: str | None = None, in_flight: InFlight = "drain") -> Signal:
        """Nothing starts once this has returned; what is in flight is drained, or cancelled too. As `pause`."""

        def decide(backfill: Backfill) -> _Move | str:
            if backfill.status is S.CANCELLED:
                return "it is cancelled already"
            if backfill.status is S.CANCELLING:
                if in_flight == "drain" or backfill.cancel_in_flight:
                    return "it is being cancelled already"
                return _Move(S.CANCELLING, backfill.reason, None, True, frozenset({S.CANCELLING}))
            now = self._clock.now()
            reason = because(ReasonCode.DRAINING, since=now, case="cancel", who=actor.name, why=why)
            return _Move(S.CANCELLING, reason, now, in_flight == "cancel")

        backfill, note = await self._steer(actor, id, "cancel", why, decide)
        await self._control.confirm(backfill.number, backfill.version)
        reached(Point.CANCEL_CONFIRMED)
        ending = "is cancelled too" if backfill.cancel_in_flight else "finishes"
        message = note or f"cancelling: nothing starts any more, what is in flight {ending}"
        return await self._signal(id, "cancel", message)

    async def _steer(
        self, actor: Actor, id: UUID, signal: str, why: str | None, decide: Decide
    ) -> tuple[Backfill, str | None]:
        """The backfill as it was moved; or as it is, with a note that there was nothing to do."""
        for _ in range(MOST_RACES):
            backfill = await self._store.get(id)
            if signal == "resume":
                await self._approval.check(actor, backfill)
            move = decide(backfill)
            if isinstance(move, str):
                return backfill, move
            if backfill.status not in (move.expected or may_become(move.status)):
                raise IllegalTransition(backfill, signal)
            if (moved := await self._move(actor, backfill, signal, why, move)) is not None:
                self._tell(moved)
                return moved, None
        raise Conflict(f"backfill {id} changes all the time; ask again", code="too_many_changes")

    async def _move(
        self, actor: Actor, backfill: Backfill, signal: str, why: str | None, move: _Move
    ) -> Backfill | None:
        now = self._clock.now()
        approves = signal == "resume" and awaits_approval(backfill)
        async with self._pool.acquire() as connection, connection.transaction():
            moved = await self._store.move(
                backfill.number,
                move.status,
                reason=move.reason,
                at=now,
                expected={backfill.status},  # what was decided, was decided for this one
                wake_at=move.wake_at,
                cancel_in_flight=move.cancel_in_flight,
                approved_by=actor.identity if approves else None,
                on=connection,
            )
            if moved is not None:
                old, new = audit.standing_of(backfill), audit.standing_of(moved)
                action = "backfill.approve" if approves else f"backfill.{signal}"
                await audit.record_on(connection, actor, action, backfill, at=now, reason=why, old=old, new=new)
                reached(BEFORE_COMMIT[signal])
        if moved is not None:
            reached(AFTER_COMMIT[signal])
        return moved

    def _onwards(self, backfill: Backfill) -> _Move:
        following = resumed(backfill, self._clock.now())
        return _Move(following.status, following.reason, following.wake_at)

    def _tell(self, moved: Backfill) -> None:
        reason = moved.reason
        self._bus.tell(
            StatusChanged(
                moved.id,
                moved.workflow_name,
                moved.status,
                reason.code if reason else None,
                reason.message if reason else None,
                reason.until if reason else None,
            )
        )
        self._control.nudge()

    async def _signal(self, id: UUID, name: str, message: str) -> Signal:
        return Signal(name, message, await self._viewer.see(*await self._store.get_with_progress(id)))


def _pause_of(backfill: Backfill) -> Reason | None:
    """Why it is paused, if somebody paused it."""
    reason = backfill.reason if backfill.status is S.PAUSED else None
    return reason if reason is not None and reason.code is ReasonCode.PAUSED_BY_USER else None


def _spoken(backfill: Backfill, actor: Actor) -> str:
    """What was done by going on: in this moment, or by the same one before."""
    is_approved = backfill.approved_by == actor.identity and backfill.approved_at == backfill.updated_at
    return "approved" if is_approved else "resumed"
