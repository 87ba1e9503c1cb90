"""Keeping what we hold.

One task renews every lease of this process each second, on a connection of its own, so that neither a
full pool nor a slow statement makes us lose them. A lease that could not be renewed is not lost yet: the
holder starts nothing after two seconds, and goes on when a renewal succeeds. It is lost when its fence
has fallen, and then for good.

Whoever is told that a lease has run out believes that nothing starts under it. So a renewal says what was
changed meanwhile, and nothing starts before that is in force.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.engine.service import Part, Patience
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.events import Bus
from backfilld.store.backfills.leases import Grant, LeaseStore, Renewal

RENEW_EVERY_SECONDS = 1.0
SAFE_SECONDS = 2.0  # a second less than the lease itself, counted from before the renewal was sent
RENEWAL_TIMEOUT_SECONDS = 5.0


class LeaseGone(Exception):
    """Another daemon has it now: stop, and write nothing."""


@dataclass(eq=False, slots=True)
class Lease:
    """The right to run one backfill. `renewed_at` is the boot time at which the last good renewal was *sent*."""

    grant: Grant
    renewed_at: float
    stop_switch: StopSwitch = field(default_factory=StopSwitch)
    lost: bool = False
    newest_version: int = 0  # of the backfill, as far as the renewals told
    in_flight: Callable[[], int] = field(default=lambda: 0)
    on_lost: Callable[[], None] = field(default=lambda: None)
    on_version: Callable[[int], None] = field(default=lambda _: None)

    @property
    def backfill_no(self) -> int:
        return self.grant.backfill_no

    @property
    def fence(self) -> int:
        return self.grant.fence

    def is_safe(self, boottime: float) -> bool:
        """True while nobody else can have the lease, whatever the database's clock says."""
        return not self.lost and boottime - self.renewed_at < SAFE_SECONDS

    def check(self) -> None:
        """Raise LeaseGone if it is lost."""
        if self.lost:
            raise LeaseGone


class LeaseKeeper:
    """Takes, renews and gives back the leases of this process."""

    part = Part.LEASES

    def __init__(self, store: LeaseStore, clock: Clock, bus: Bus) -> None:
        self.store = store
        self._clock = clock
        self._patience = Patience.of(self.part, clock, bus)
        self._held: dict[int, Lease] = {}
        self.on_obstacle: Callable[[], None] = lambda: None
        self.stop_switch = StopSwitch()

    @property
    def obstacle(self) -> Exception | None:
        """What the last renewal failed of."""
        return self._patience.obstacle

    @property
    def held(self) -> list[tuple[int, int]]:
        """Backfill and fence of every lease of this process."""
        return [(lease.backfill_no, lease.fence) for lease in self._held.values()]

    async def take(self, backfill_no: int) -> Lease | None:
        """The lease, if it can be had now."""
        sent_at = self._clock.boottime()
        reached(Point.LEASE_BEFORE_TAKING)
        grant = await self.store.acquire(backfill_no)
        if grant is None:
            return None
        reached(Point.LEASE_TAKEN)
        self.stop_switch.put(grant.stop_order)
        lease = self._held[backfill_no] = Lease(grant, sent_at, self.stop_switch)
        return lease

    async def give_back(self, lease: Lease, *, in_order: bool) -> None:
        """Let others have it. `in_order`: nothing is left that may have been started and is not recorded."""
        self._held.pop(lease.backfill_no, None)
        if not lease.lost:
            reached(Point.LEASE_BEFORE_RELEASE)
            await self.store.release(lease.backfill_no, lease.fence, in_order=in_order)
            reached(Point.LEASE_RELEASED)

    def forget(self, lease: Lease) -> None:
        """Renew it no more; it runs out by itself."""
        self._held.pop(lease.backfill_no, None)

    async def serve(self) -> None:
        """Renew until cancelled."""
        while True:
            await self._clock.sleep(RENEW_EVERY_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew everything once. A database that does not answer changes nothing here."""
        held = list(self._held.values())
        try:
            if held:
                await self._renew(held)
        except Exception as problem:
            self._patience.waits(self, problem)
            self.on_obstacle()
        else:
            self._patience.goes_on(self)

    async def _renew(self, held: list[Lease]) -> None:
        # The renewal of a lease that had run out may have begun before a change that was confirmed because it had run
        # out. A second one begins after it, and so tells of every such change.
        kept_at = {lease: lease.renewed_at for lease in held}
        for _ in range(2):
            sent_at = self._clock.boottime()
            entries = [(lease.backfill_no, lease.fence, lease.in_flight()) for lease in held]
            reached(Point.LEASE_BEFORE_RENEWAL)
            renewal = await self.store.renew(
                entries, obeys_stop=self.stop_switch.obeyed, within_seconds=RENEWAL_TIMEOUT_SECONDS
            )
            reached(Point.LEASE_RENEWED)
            stood = {lease for lease in held if self._clock.boottime() - kept_at[lease] < SAFE_SECONDS}
            for lease in held:
                self._hear(lease, renewal, sent_at if lease in stood else None)
                kept_at[lease] = sent_at
            held = [lease for lease in held if lease not in stood and not lease.lost]
            if not held:
                return

    def _hear(self, lease: Lease, renewal: Renewal, sent_at: float | None) -> None:
        """Take note of what a renewal says; `sent_at` None: it is not to be relied on yet."""
        version = renewal.versions.get(lease.backfill_no)
        if version is None:
            if self._held.get(lease.backfill_no) is lease:
                self._lose(lease)
            return
        if renewal.stop_order is not None:
            self.stop_switch.put(renewal.stop_order)
        lease.newest_version = max(lease.newest_version, version)
        if sent_at is not None:
            lease.renewed_at = max(lease.renewed_at, sent_at)
        lease.on_version(version)

    def _lose(self, lease: Lease) -> None:
        lease.lost = True
        self._held.pop(lease.backfill_no, None)
        lease.on_lost()
