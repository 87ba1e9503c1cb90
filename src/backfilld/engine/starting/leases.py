"""Keeping what we hold: one kind of lease, and one way to renew it, for backfills and for attempts outside of them.

Each second one statement renews every lease of a table, on a connection that neither a full pool nor a slow statement
takes away. A lease is *safe* for two seconds from the moment at which its last good renewal was sent: a second less
than others have to wait for it, whatever the clocks say. After that it has *lapsed*: nothing starts under it. It is
*lost* when its fence has fallen, and then for good; until then what was started under it may be recorded.

Why a renewal alone does not end a lapse: whoever pauses or cancels is told "nothing starts any more" as soon as the
lease is over. That change may have been committed after the renewal had read the row and before its answer came, so
the answer says nothing of it. Where renewals tell of every change (`LeaseTable.tells_changes`), a second one, sent
after the first was answered, tells of that change too, and ends the lapse; the gate holds until what it told is in
force. Where they do not, a lapse is for ever: the work is given back, and taken anew with whatever is in force then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.owner.word import OwnersWord
from backfilld.domain.backfills.records import InFlight
from backfilld.domain.stopping import StopOrder
from backfilld.engine.service import Part, Patience
from backfilld.engine.starting.hand_out import HandOut
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.store.backfills.leases import Holding, Renewal, Word

RENEW_EVERY_SECONDS = 1.0
SAFE_SECONDS = 2.0
RENEWAL_TIMEOUT_SECONDS = 5.0


class LeaseGone(Exception):
    """Another daemon has it now: stop, and write nothing."""


class Granted(Protocol):
    """What the database said when it gave a lease."""

    @property
    def key(self) -> int:
        """Whose lease it is: the number of a backfill, or the id of an attempt."""

    @property
    def fence(self) -> int:
        """Stands in every write under the lease; whoever takes it over makes it greater."""

    @property
    def stop_order(self) -> StopOrder:
        """The order that was in force when it was taken."""


G = TypeVar("G", bound=Granted)


@dataclass(eq=False, slots=True)
class Lease(Generic[G]):
    """The right to run one thing.

    `renewed_at` is the boot time at which the last good renewal was *sent*; `lapsed`: it came too late to rely on.
    """

    grant: G
    renewed_at: float
    stop_switch: StopSwitch = field(default_factory=StopSwitch)
    lapsed: bool = False
    lost: bool = False
    newest_version: int = 0  # of what it is the lease of, as far as the renewals told
    in_flight: Callable[[], int] = field(default=lambda: 0)
    items: Callable[[], Sequence[InFlight]] = field(default=lambda: ())  # the oldest of them
    says: Callable[[], OwnersWord | None] = field(default=lambda: None)  # why nothing starts
    hand_out: HandOut | None = None  # of whoever starts items of a backfill now
    on_lost: Callable[[], None] = field(default=lambda: None)
    on_word: Callable[[Word], None] = field(default=lambda _: None)  # what each renewal says of it

    def __repr__(self) -> str:
        state = "lost" if self.lost else "lapsed" if self.lapsed else f"renewed at {self.renewed_at:.3f}"
        return f"<lease of {self.key}, fence {self.fence}, {state}>"

    @property
    def key(self) -> int:
        return self.grant.key

    @property
    def fence(self) -> int:
        return self.grant.fence

    def holding(self) -> Holding:
        """What its next renewal says."""
        in_flight = self.in_flight()
        limit = 0 if self.hand_out is None else self.hand_out.next_limit(in_flight + self.hand_out.unrecorded())
        return Holding(self.key, self.fence, in_flight, limit, self.items(), self.says())

    def is_safe(self, boottime: float) -> bool:
        """True while nobody else can have the lease, and nobody was told that it is over."""
        return not self.lost and not self.lapsed and boottime - self.renewed_at < SAFE_SECONDS

    def check(self) -> None:
        """Raise LeaseGone if it is lost."""
        if self.lost:
            raise LeaseGone


class LeaseTable(Protocol):
    """Where the leases of one kind stand."""

    tells_changes: bool  # whether a renewal tells of everything that may forbid a start

    async def renew(self, held: Sequence[Holding], *, obeys_stop: int, within_seconds: float) -> Renewal:
        """Renew each, and say which version of the stop order is obeyed here."""

    async def obey(self, held: Sequence[tuple[int, int]], version: int) -> None:
        """Tell whoever waits that the holder of these (key, fence) starts nothing that `version` forbids."""


class Renewer(Generic[G]):
    """Renews the leases of one table, for as long as somebody keeps them."""

    def __init__(self, part: Part, table: LeaseTable, clock: Clock, bus: Bus, stop_switch: StopSwitch) -> None:
        self.part = part
        self.stop_switch = stop_switch
        self.on_obstacle: Callable[[], None] = lambda: None
        self._table = table
        self._clock = clock
        self._patience = Patience.of(part, clock, bus)
        self._kept: dict[int, Lease[G]] = {}

    @property
    def obstacle(self) -> Exception | None:
        """What the last renewal failed of."""
        return self._patience.obstacle

    @property
    def obstacle_since(self) -> datetime | None:
        """When that began."""
        return self._patience.since

    @property
    def held(self) -> list[tuple[int, int]]:
        """Key and fence of every lease that is kept."""
        return [(lease.key, lease.fence) for lease in self._kept.values()]

    def find(self, key: int) -> Lease[G] | None:
        """The lease of `key`, if it is kept."""
        return self._kept.get(key)

    def keep(self, grant: G, sent_at: float) -> Lease[G]:
        """Renew it from now on; it was asked for at boot time `sent_at`. The stop order it came with is in force."""
        self.stop_switch.put(grant.stop_order)
        lease = self._kept[grant.key] = Lease(grant, sent_at, self.stop_switch)
        return lease

    def forget(self, lease: Lease[G]) -> None:
        """Renew it no more; it runs out by itself."""
        if self._kept.get(lease.key) is lease:
            del self._kept[lease.key]

    async def obey(self, version: int) -> None:
        """Tell whoever waits that the stop order of that version is obeyed here."""
        if held := self.held:
            await self._table.obey(held, version)

    async def serve(self) -> None:
        """Renew until cancelled. It sleeps by the clock that nobody steps."""
        while True:
            await self._clock.sleep(RENEW_EVERY_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew everything once. A database that does not answer changes nothing here."""
        try:
            if kept := list(self._kept.values()):
                await self._renew(kept)
        except Exception as problem:
            self._patience.waits(self, problem)
            self.on_obstacle()
        else:
            self._patience.goes_on(self)

    async def _renew(self, leases: list[Lease[G]]) -> None:
        sent_at, renewal = await self._ask(leases)
        answered_at = self._clock.boottime()
        for lease in leases:
            lease.lapsed = lease.lapsed or answered_at - lease.renewed_at >= SAFE_SECONDS
            self._hear(lease, renewal, sent_at)
        lapsed = [lease for lease in leases if lease.lapsed and not lease.lost]
        if not lapsed or not self._table.tells_changes:
            return
        again_at, renewal = await self._ask(lapsed)
        is_late = self._clock.boottime() - sent_at >= SAFE_SECONDS  # the first one was over before this one came
        for lease in lapsed:
            lease.lapsed = is_late
            self._hear(lease, renewal, again_at)

    async def _ask(self, leases: list[Lease[G]]) -> tuple[float, Renewal]:
        """When it was sent, and the answer."""
        sent_at = self._clock.boottime()
        holdings, hand_outs = [lease.holding() for lease in leases], [lease.hand_out for lease in leases]
        reached(Point.LEASE_BEFORE_RENEWAL)
        renewal = await self._table.renew(
            holdings, obeys_stop=self.stop_switch.obeyed, within_seconds=RENEWAL_TIMEOUT_SECONDS
        )
        reached(Point.LEASE_RENEWED)
        for holding, hand_out in zip(holdings, hand_outs, strict=True):
            if hand_out is not None and holding.key in renewal.words:
                hand_out.committed(holding.hand_out_limit)
        return sent_at, renewal

    def _hear(self, lease: Lease[G], renewal: Renewal, sent_at: float) -> None:
        word = renewal.words.get(lease.key)
        if word is None:
            self._lose(lease)
            return
        if renewal.stop_order is not None:
            self.stop_switch.put(renewal.stop_order)
        lease.newest_version = max(lease.newest_version, word.version)
        lease.renewed_at = max(lease.renewed_at, sent_at)
        lease.on_word(word)

    def _lose(self, lease: Lease[G]) -> None:
        if self._kept.get(lease.key) is lease:  # else it was given back meanwhile
            del self._kept[lease.key]
            lease.lost = True
            lease.on_lost()
