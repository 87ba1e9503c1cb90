"""Who may stay connected: bounded in all and per address, so that nobody shuts the others out by being there.

Where there is no room, a newcomer takes the place of whoever waits longest without a request under way: half a
request, a handshake that does not come, a kept connection. Only where every place is at work it is turned away.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from backfilld.api.client_addresses import ClientAddresses, neighbourhood


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many at once. Addresses of trusted proxies bring many callers, and are bounded in all only."""

    most: int = 1_000
    most_per_address: int = 500


class Seat:
    """One connection's place. `is_at_work` is asked, and `cut` called, when somebody else wants it."""

    __slots__ = ("_leave", "address", "cut", "is_at_work")

    def __init__(self, address: str, cut: Callable[[], None], leave: Callable[["Seat"], None]) -> None:
        self.address = address
        self.cut = cut
        self.is_at_work: Callable[[], bool] = _never
        self._leave = leave

    def leave(self) -> None:
        """The connection is over; may be called again."""
        self._leave(self)


class Connections:
    """Every connection of one server, in the order in which they came."""

    def __init__(self, limits: ConnectionLimits, addresses: ClientAddresses) -> None:
        self._limits = limits
        self._addresses = addresses
        self._seats: OrderedDict[Seat, None] = OrderedDict()
        self._of_address: dict[str, OrderedDict[Seat, None]] = {}

    def __len__(self) -> int:
        return len(self._seats)

    def seat(self, peer: str, cut: Callable[[], None]) -> Seat | None:
        """A place for a connection from `peer`; None if there is none, and nobody whose place it could be."""
        address = self._group(peer)
        own = self._of_address.get(address, OrderedDict())
        if address and len(own) >= self._limits.most_per_address and not _make_room(own):
            return None
        if len(self._seats) >= self._limits.most and not _make_room(self._seats):
            return None
        seat = Seat(address, cut, self._left)
        self._seats[seat] = None
        self._of_address.setdefault(address, OrderedDict())[seat] = None
        return seat

    def cut_one(self) -> bool:
        """End the one that waits longest, if one waits: there is no descriptor left."""
        return _make_room(self._seats)

    def _left(self, seat: Seat) -> None:
        if self._seats.pop(seat, self) is self:
            return
        own = self._of_address[seat.address]
        del own[seat]
        if not own:
            del self._of_address[seat.address]

    def _group(self, peer: str) -> str:
        """What counts as one; "" for a trusted proxy."""
        return "" if self._addresses.trusts_peer(peer) else neighbourhood(peer)


def _make_room(seats: OrderedDict[Seat, None]) -> bool:
    for seat in seats:
        if not seat.is_at_work():
            seat.leave()
            seat.cut()
            return True
    return False


def _never() -> bool:
    return False
