"""How many items of one backfill may be handed out, by a limit that is committed before they are.

Whoever takes over from a dead owner must know what that one may have started. Writing each start down would cost a
commit per item; so a number is committed that runs ahead, with what is committed anyway: what became of items, or the
renewal of the lease. Items are counted in the order in which they are handed out, first the sample, then the plan, and
one that comes back and is handed out again counts once. What the dead owner may have started then are the first items
without an outcome, as many as the limit exceeds those that are settled.
"""

from collections.abc import Callable
from sys import maxsize


class HandOut:
    """`handed` never exceeds `limit`, which is committed; None: there is no limit."""

    __slots__ = (
        "_ahead",
        "_handed_before",
        "_too_short",
        "_waited_for",
        "handed",
        "limit",
        "max_in_flight",
        "most",
        "on_move",
        "unrecorded",
    )

    def __init__(self, *, handed: int = 0, limit: int | None = None, max_in_flight: int = 1, most: int = 1) -> None:
        """`most`: so many may be started and unrecorded at once, whatever happens."""
        self.handed = handed
        self.limit = maxsize if limit is None else limit
        self.max_in_flight = max_in_flight
        self.most = most
        self.unrecorded: Callable[[], int] = lambda: 0  # how many have ended and are not
        self.on_move: Callable[[], None] = lambda: None  # called if somebody waits for it
        self._waited_for = False
        self._too_short = False  # since the last commit somebody would have handed out more
        self._handed_before = handed
        self._ahead = max_in_flight

    @property
    def has_room(self) -> bool:
        """True while one more may be handed out."""
        return self.handed < self.limit

    def refuse(self) -> None:
        """Somebody asked for one more, and has to wait until the limit has moved."""
        self._waited_for = self._too_short = True

    def resize(self, max_in_flight: int) -> None:
        """So many may be in flight from now on: the next limit has room for all of them."""
        self.most += max_in_flight - self.max_in_flight
        self.max_in_flight = max_in_flight
        self._ahead = min(max(self._ahead, max_in_flight), self.most)

    def adapt(self) -> None:
        """A commit is being put together: run ahead as fast as items are handed out, with `max_in_flight` at least.

        What was handed out since the last commit could never exceed the last limit: whoever reached that gets twice as
        much, whoever used less than half of it half as much.
        """
        since, self._handed_before = self.handed - self._handed_before, self.handed
        if self._too_short:
            self._ahead *= 2
        elif 2 * since < self._ahead:
            self._ahead //= 2
        self._too_short = False
        self._ahead = min(max(self._ahead, self.max_in_flight), self.most)

    def next_limit(self, under_way: int) -> int:
        """What is to be committed; `under_way` are in flight, or have ended and will not be recorded by then."""
        return self.handed + max(0, min(self._ahead, self.most - under_way))

    def committed(self, limit: int) -> None:
        """The database has the limit for certain."""
        self.limit = max(self.limit, limit)
        if self._waited_for and self.has_room:
            self._waited_for = False
            self.on_move()
