"""How the targets are: reachable, overwhelmed, or refusing us.

Whether an origin answers, and how long it asks us to wait, is the same for all who use it: it is kept per origin.
Whether it refuses us depends on what is sent there (path, headers, secrets): that is kept per route, which is a
workflow's revision and the address that its requests go to; what else uses the origin goes on.

A target that is down, or refuses us, is probed by one item at a time, ever more rarely; the first real answer opens the
gate for all.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.engine.starting.targets.circuit_breaker import Breaker
from backfilld.engine.starting.targets.origin import UNREACHABLE, Origin

FIRST_REFUSAL_SECONDS = 5.0
RAREST_REFUSAL_SECONDS = 60.0
RECORD_REFUSAL_SECONDS = 1.0  # where records are known to be refused while we are not
LAST_ONES = 3  # so many records that nothing follows may be refused for their own sake
DOUBTED_AFTER = 3  # probes by one of those that were refused
FRESH = timedelta(minutes=1)  # so long before the first refusal somebody else was welcome
MOST_REFUSED = 10_000  # items of one route that are remembered as refused
MOST_IDLE = 1_000  # routes that nobody uses any more
# What is asked for every item: to look a member up in its enum is a call of its own (until Python 3.12).
_UNREACHABLE = VerdictKind.UNREACHABLE
_REFUSED, _THROTTLED, _NO_ROOM = VerdictKind.REFUSED, VerdictKind.THROTTLED, VerdictKind.NO_ROOM
_SUCCEEDED = VerdictKind.SUCCEEDED


@dataclass(frozen=True, slots=True)
class Route:
    """What is sent to a target: by which workflow, in which revision, to which address with its placeholders filled."""

    workflow_name: str = ""
    revision_id: int = 0
    address: str = ""


class TargetHealth:
    """A target as one route knows it. What uses the route asks `reason`, and tells by `note` how its tries went."""

    def __init__(self, origin: Origin, route: Route, clock: Clock, bus: Bus) -> None:
        self.origin = origin
        self._clock = clock
        self._address = route.address
        self._refusing = Breaker(
            clock,
            bus,
            code=ReasonCode.TARGET_REFUSES,
            target=origin.target,
            label=f"{origin.target} ({route.workflow_name})" if route.workflow_name else origin.target,
            opened_as="refusing",
            first_seconds=FIRST_REFUSAL_SECONDS,
            rarest_seconds=RAREST_REFUSAL_SECONDS,
        )
        self._listeners: list[Callable[[], None]] = []
        self._refused: OrderedDict[Hashable, None] = OrderedDict()  # items, since we were welcome last
        self._at_fault: OrderedDict[Hashable, None] = OrderedDict()  # items that were refused while others were not
        self._probed: Counter[Hashable] = Counter()  # how often each of the refused was so as a probe, by an answer
        self._welcome_at: datetime | None = None  # when something succeeded here last
        self.was_bad_at = 0.0  # the boot time at which it brought bad news last

    def __repr__(self) -> str:
        reason = self.reason()
        return f"<health of {self.origin.target}, {'well' if reason is None else reason.message}>"

    @property
    def is_idle(self) -> bool:
        """True if nobody listens, and nothing needs to be remembered."""
        return not self._listeners and not self._refusing.is_open

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called whenever the answer of `reason` may have changed; returns how to stop that."""
        if not self._listeners:
            self.origin.users.append(self)
        self._listeners.append(listener)

        def stop() -> None:
            self._listeners.remove(listener)
            if not self._listeners:
                self.origin.users.remove(self)

        return stop

    def reason(self) -> Reason | None:
        """Why nothing may start now; None if something may (if only one probe). `until` None: it is being probed."""
        refusing = self._refusing
        if refusing.is_open and refusing.holds:
            return refusing.reason(None if refusing.is_probing else refusing.probe_at.told)
        origin = self.origin
        return origin.reason(self) or (origin.obstacle(self._address) if origin.obstacles else None)

    def reasons(self) -> Iterator[Reason]:
        """All that `reason` tells the first of."""
        refusing, of_origin = self._refusing, self.origin.reason(self)
        if refusing.is_open and refusing.holds:
            yield refusing.reason(None if refusing.is_probing else refusing.probe_at.told)
        if of_origin is not None:
            yield of_origin
        if (obstacle := self.origin.obstacle(self._address)) is not None:
            yield obstacle

    def suspect(self, reason: Reason | None) -> None:
        """What was said of the target before this process began still holds until a probe tells otherwise."""
        if reason is None or not self.origin.knows_nothing or self._refusing.is_open:
            return
        if reason.code is ReasonCode.TARGET_REFUSES:
            self._refusing.suspect(reason)
        elif reason.code in UNREACHABLE:
            self.origin.breaker.suspect(reason)

    @property
    def is_half_open(self) -> bool:
        """True if one probe may start, and nothing beside it."""
        return self._refusing.is_open or self.origin.breaker.is_open

    @property
    def wants_another(self) -> bool:
        """True while it refuses us: the next probe should be an item that it has not refused yet."""
        return self._refusing.is_open

    def start(self) -> bool:
        """Something starts; True if it is the probe on which everything waits."""
        is_probe = False
        if self._refusing.is_open and not self._refusing.is_probing:
            self._refusing.probe()
            is_probe = True
        if self.origin.breaker.is_open and not self.origin.breaker.is_probing:
            self.origin.breaker.probe()
            self.origin.prober = self
            is_probe = True
        return is_probe

    def abandon_probe(self) -> None:
        """The probe ended without telling anything; the next one may start."""
        self._refusing.abandon()
        if self.origin.prober is self:
            self.origin.prober = None
            self.origin.breaker.abandon()
            self.origin.changed()
        self.changed()

    def others_succeed(self, item: Item, *, since: datetime) -> bool:
        """Whether another one did since `item` failed last, or since this try of it began; of any kind of work."""
        last = self.origin.last_success_at
        if last is None or self.origin.last_success_item == item.place:
            return False
        return last > (item.last_failed_at or since)

    def is_at_fault(self, item: Hashable) -> bool:
        """True if it was refused before, and a probe by another item was not: then it is not us who are refused."""
        return item in self._at_fault

    def doubt(self, item: Hashable) -> None:
        """`item` was refused as the probe, and nothing is left that could be it in its place.

        Nobody would ever show who is meant. If others were welcome just before, and only the last few have been refused
        since, each time they asked, then it is those.
        """
        was_welcome = self._welcome_at is not None and self._refusing.since - self._welcome_at < FRESH
        if was_welcome and len(self._refused) <= LAST_ONES and self._probed[item] >= DOUBTED_AFTER:
            _remember(self._at_fault, item)

    def note(self, verdict: Verdict, item: Hashable, *, probe: bool, at: datetime | None = None) -> None:
        """Learn from a try of `item` (whatever tells that from others) that ended `at`, or just now.

        `probe`: what `start` said of it.
        """
        asked_welcome = probe and self._refusing.is_probing  # else another answer came first: a try like any other
        asked_origin = probe and self.origin.prober is self and self.origin.breaker.is_probing
        if asked_welcome:
            self._refusing.abandon()
        if asked_origin:
            self.origin.prober = None
            self.origin.breaker.abandon()
        kind, at = verdict.kind, at or self._clock.now()
        if kind is _NO_ROOM:
            self.origin.machine.note_shortage(verdict.error or verdict.error_class, at)
            self.changed()
        elif kind is _UNREACHABLE:
            self.was_bad_at = self._clock.boottime()
            self.origin.note_unreachable(verdict.error or verdict.error_class, item, at, probe=asked_origin)
        else:
            if kind is _SUCCEEDED:
                self._welcome_at = at
            if kind is not _REFUSED or verdict.http_status is not None:  # else nobody was asked: a secret is missing
                self.origin.note_answer(kind, item, at)
            if kind is _REFUSED:
                self._note_refusal(verdict, item, at, probe=asked_welcome)
            # an answer to what was started before the refusal does not say that we are welcome again
            elif asked_welcome:
                self._welcomed(item)
        if verdict.retry_after_seconds is not None or kind is _THROTTLED:
            self.was_bad_at = self._clock.boottime()
            self.origin.note_pause(verdict.retry_after_seconds)
        if asked_origin:
            self.origin.changed()
        elif asked_welcome:
            self.changed()

    def _note_refusal(self, verdict: Verdict, item: Hashable, at: datetime, *, probe: bool) -> None:
        _remember(self._refused, item)
        if probe and verdict.http_status is not None:
            self._probed[item] += 1
        if probe or self._refusing.wants_probe or not self._refusing.is_open:
            first = RECORD_REFUSAL_SECONDS if self._at_fault else FIRST_REFUSAL_SECONDS
            self._refusing.open(verdict.error or verdict.error_class, at, first_seconds=first)
            self.changed()

    def _welcomed(self, item: Hashable) -> None:
        self._refused.pop(item, None)
        for refused in self._refused:
            _remember(self._at_fault, refused)
        self._forget_refused()
        self._refusing.close()
        self.changed()

    def ask_now(self) -> None:
        """Somebody wants to know now whether it is well again: the next probe is due, and ours comes first."""
        self.was_bad_at = 0.0
        self._refusing.ask_now()
        self.origin.breaker.ask_now()
        self.origin.changed()

    def reset(self) -> None:
        """Somebody mended something: start as if nothing had happened."""
        self._forget_refused()
        self._at_fault.clear()
        self._welcome_at = None
        self._refusing.close()
        self.changed()

    def _forget_refused(self) -> None:
        self._refused.clear()
        self._probed.clear()

    def changed(self) -> None:
        """Tell whoever listens."""
        for listener in list(self._listeners):
            listener()


def _remember(items: OrderedDict[Hashable, None], item: Hashable) -> None:
    items[item] = None
    if len(items) > MOST_REFUSED:
        items.popitem(last=False)
