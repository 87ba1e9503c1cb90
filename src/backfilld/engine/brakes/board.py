"""All brakes of a process: which of them stands before which gate, their looks, and what the database keeps of them.

A gate is handed the brakes that apply to it, and anew whenever the configuration is read; where none applies it has
nothing to ask.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.brakes.history import Held
from backfilld.domain.brakes.kept import Kept
from backfilld.domain.brakes.settings import BrakeSettings, Scope, Start
from backfilld.engine.brakes.brake import Brake
from backfilld.engine.brakes.signals import Signal
from backfilld.engine.service import Part, Patience
from backfilld.store.steering.brakes import BrakeStore

EPISODES_KEPT_FOR = timedelta(days=90)
FORGETS_EVERY = timedelta(days=1)
READS_EVERY = timedelta(seconds=5)  # what other daemons latched, reset and released; a NOTIFY comes sooner


class Braked(Protocol):
    """A gate."""

    changed: asyncio.Event
    brakes: tuple[Brake, ...] | None


class Brakes:
    """`serve` makes them look; until a first look has ended, a brake holds."""

    part = Part.BRAKES

    def __init__(self, store: BrakeStore, clock: Clock, bus: Bus) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._brakes: dict[str, Brake] = {}
        self._retired: list[Brake] = []
        self._gates: dict[Braked, Start] = {}
        self._told: dict[str, bool] = {}  # of which the database knows whether they hold
        self._news = asyncio.Event()
        self._forgets_at: datetime | None = None
        self._patience = Patience.of(self.part, clock, bus)
        self.on_live_change: Callable[[], None] = lambda: None  # what holds attempts outside of backfills may be over

    def __iter__(self) -> Iterator[Brake]:
        return iter(tuple(self._brakes.values()))

    @property
    def obstacle(self) -> Exception | None:
        """Why what is kept of brakes cannot be read or written."""
        return self._patience.obstacle

    def find(self, name: str) -> Brake | None:
        """The brake of that name, as it is configured now."""
        return self._brakes.get(name)

    def put(self, wanted: Iterable[tuple[BrakeSettings, Callable[[], Signal]]]) -> None:
        """Have these brakes from now on. One whose settings are what they were stays as it is; others begin anew."""
        brakes: dict[str, Brake] = {}
        for settings, make in wanted:
            known = self._brakes.get(settings.name)
            if known is not None and known.settings == settings:
                brakes[settings.name] = known
                continue
            brakes[settings.name] = fresh = Brake(settings, make(), self._clock, self._bus, self._changed)
            if known is not None:
                fresh.unwritten = known.unwritten  # only a person takes a latch away
        self._retired += [brake for name, brake in self._brakes.items() if brakes.get(name) is not brake]
        self._brakes = brakes  # another one, since somebody may be going through the old one and wait for the database
        for gate, start in self._gates.items():
            gate.brakes = self._applying_to(start)
        self._changed()

    def join(self, gate: Braked, start: Start) -> Callable[[], None]:
        """Put before `gate` whatever applies to `start`, now and after each reload; what is returned ends that."""
        self._gates[gate] = start
        gate.brakes = self._applying_to(start)

        def leave() -> None:
            self._gates.pop(gate, None)

        return leave

    def _applying_to(self, start: Start) -> tuple[Brake, ...] | None:
        """None where none does: then a gate has nothing to ask."""
        return tuple(brake for brake in self._brakes.values() if brake.settings.scope.covers(start)) or None

    def holding(self, start: Start) -> list[Reason]:
        """Why those hold that apply to `start`, but for one whose first look is on its way."""
        now = self._clock.now()
        found = ((brake, brake.reason(now)) for brake in self._applying_to(start) or ())
        return [reason for brake, reason in found if reason is not None and brake.is_worth_telling(now)]

    async def held_since(self, start: Start, since: datetime) -> list[Held]:
        """When `start` was held by any of those that apply to it, behind `since`."""
        names = [brake.settings.name for brake in self._applying_to(start) or ()]
        found = await self._store.list_since(names, since) if names else []
        return [Held(began, ended or self._clock.now()) for began, ended in found]

    def holds_all_attempts(self) -> bool:
        """Whether no attempt outside of backfills may start, whatever it is."""
        if not self._brakes:
            return False
        now, everything = self._clock.now(), Scope(live=True)
        return any(
            brake.settings.scope == everything and brake.reason(now) is not None for brake in self._brakes.values()
        )

    def hear(self) -> None:
        """Another daemon may have changed what is kept: look now."""
        self._news.set()

    def _changed(self) -> None:
        self._news.set()
        for gate in self._gates:
            gate.changed.set()
        self.on_live_change()

    async def serve(self) -> None:
        """Look, and keep what is to be kept, until cancelled."""
        watching: dict[Brake, asyncio.Task[None]] = {}
        try:
            while True:
                self._news.clear()
                await self._reconcile(watching)
                if self._brakes:
                    await self._patience.insist(self.remember)
                await self._pause()
        finally:
            for task in watching.values():
                task.cancel()
            if watching:
                await asyncio.wait(watching.values())
            for brake in (*self._brakes.values(), *self._retired):
                await brake.signal.close()

    async def _reconcile(self, watching: dict[Brake, "asyncio.Task[None]"]) -> None:
        for brake in self._brakes.values():
            if brake not in watching:
                watching[brake] = asyncio.create_task(brake.watch(), name=f"brake {brake.settings.name}")
        for brake, task in tuple(watching.items()):
            if task.done():
                task.result()
            if self._brakes.get(brake.settings.name) is not brake:
                task.cancel()
                await asyncio.wait({task})
                del watching[brake]
        while self._retired:
            await self._retired.pop().signal.close()

    async def _pause(self) -> None:
        if not self._brakes:
            await self._news.wait()
            return
        await self._clock.wait(self._news, until=self._clock.now() + READS_EVERY)

    async def remember(self) -> None:
        """Write what is new, and read what is kept."""
        for brake in self._brakes.values():
            if (latch := brake.unwritten) is not None:
                await self._store.latch(brake.settings.name, *latch, why=brake.told_latch)
        kept = await self._store.read()
        for name, brake in self._brakes.items():
            mine = kept.get(name, Kept())
            if mine.critical_at is not None:
                brake.unwritten = None
            brake.keep(mine)
            await self._note_episode(brake)
        now = self._clock.now()
        if self._forgets_at is None or now >= self._forgets_at:
            await self._store.forget_episodes(now - EPISODES_KEPT_FOR)
            self._forgets_at = now + FORGETS_EVERY
        for name in self._told.keys() - self._brakes.keys():
            await self._store.end_episode(name, at=self._clock.now(), worst=None)
            del self._told[name]

    async def _note_episode(self, brake: Brake) -> None:
        """Whether it holds, if that is news to the database; also after a start, as the last process may have died."""
        name, verdict = brake.settings.name, brake.verdict
        if verdict.looked_at is None or self._told.get(name) is verdict.holds:
            return
        if verdict.holds_since is not None:
            value = None if verdict.seen is None else verdict.seen.value
            await self._store.begin_episode(name, why=brake.why, at=verdict.holds_since, value=value)
        else:
            await self._store.end_episode(name, at=verdict.looked_at, worst=verdict.worst)
        self._told[name] = verdict.holds
