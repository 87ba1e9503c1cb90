"""Running outside of the windows for once, until a time: everything else that forbids a start still does."""

from datetime import datetime, timedelta
from uuid import UUID

from backfilld.clock import Clock
from backfilld.crash_points import Point
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.errors import Fault, Invalid
from backfilld.operations.backfills.steer import Signal
from backfilld.operations.steering.alter import Alteration, Altering, Verb, require_changeable

LONGEST = timedelta(hours=24)
OVERRIDE = Verb(
    "backfill.override", Point.OVERRIDE_BEFORE_COMMIT, Point.OVERRIDE_AFTER_COMMIT, Point.OVERRIDE_CONFIRMED
)


class Overriding:
    """Opens the windows for a while."""

    def __init__(self, altering: Altering, clock: Clock) -> None:
        self._altering = altering
        self._clock = clock

    async def override(self, actor: Actor, id: UUID, until: datetime, *, why: str | None = None) -> Signal:
        """Its windows count as open until then, in whole seconds; asked again, that is replaced.

        Invalid unless it is to come within LONGEST; CannotBeChanged; NotFound; Unavailable `not_confirmed`.
        """
        now, until = self._clock.now(), until.replace(microsecond=0)
        if not now < until <= now + LONGEST:
            message = f"must be to come, and at most 24 hours ahead; it is {now:%Y-%m-%dT%H:%M:%SZ}"
            raise Invalid([Fault("/until", "out_of_range", message)])
        await self._altering.alter(actor, id, OVERRIDE, why, lambda present: _alteration(present, until))
        view = await self._altering.view(id)
        message = f"its windows count as open until {until:%Y-%m-%dT%H:%M:%SZ}"
        if view.reason is not None:
            message += f", but nothing starts yet: {view.reason.message}"
        return Signal("override", message, view)

    async def end(self, actor: Actor, id: UUID, *, why: str | None = None) -> None:
        """Its windows alone count again; what is in flight finishes. As `override`; nothing to end is no error."""
        now = self._clock.now()

        def decide(present: Backfill) -> Alteration | None:
            is_over = present.override_until is None or present.override_until <= now
            require_changeable(present)
            return None if is_over else _alteration(present, None)

        await self._altering.alter(actor, id, OVERRIDE, why, decide)


def _alteration(present: Backfill, until: datetime | None) -> Alteration | None:
    require_changeable(present)
    if present.override_until == until:
        return None
    old, new = {"override_until": present.override_until}, {"override_until": until}
    return Alteration(present.settings, until, old, new)
