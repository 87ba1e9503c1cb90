"""What the operations need of the engine: to be heard, to be sure, and to see what is going on right now.

The engine implements this; nothing here knows how.
"""

from typing import Protocol

from backfilld.domain.holding import Reason


class Live(Protocol):
    """What a runner in this process knows that the database does not yet."""

    @property
    def in_flight(self) -> frozenset[int]:
        """The positions that are being worked on."""

    @property
    def in_flight_retries(self) -> int:
        """How many of them were tried before."""

    @property
    def hold(self) -> Reason | None:
        """Why nothing, or not more, is starting although the status would allow it."""


class Control(Protocol):
    """The engine, seen from outside."""

    def nudge(self) -> None:
        """Something has changed: look now."""

    async def confirm(self, backfill_no: int, version: int) -> None:
        """Return once nothing starts any more under a version older than `version`, wherever its owner is.

        Raises Unavailable `not_confirmed` if the owner does not say so within 10 s.
        """

    def stop_reason(self) -> Reason | None:
        """Why nothing may start anywhere, by an operator's word; None if something may."""

    def live(self, backfill_no: int) -> Live | None:
        """What the runner in this process knows; None if another process, or nobody, runs the backfill."""


class StopControl(Protocol):
    """What stop-all needs of the engine."""

    async def confirm(self, version: int) -> None:
        """Return once nothing starts, in any daemon, that this version of the stop order forbids.

        Raises Unavailable `not_confirmed` if some daemon does not say so within 10 s.
        """
