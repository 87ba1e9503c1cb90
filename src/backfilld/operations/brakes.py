"""What people may ask of brakes: to see them, to look now, to take a latch away, to hold one open for a while."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ACTIVE
from backfilld.domain.brakes.history import History, history_of, would_have_held
from backfilld.domain.brakes.kept import Episode, Kept
from backfilld.domain.brakes.verdicts import Failed, Seen
from backfilld.domain.calendars import UnreadableWindows, calendar_of, zone_of
from backfilld.domain.errors import Conflict, Fault, Invalid, NotFound, Unavailable, did_you_mean
from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.weekly import WeeklyWindows
from backfilld.engine.brakes.board import Brakes
from backfilld.engine.brakes.brake import Brake
from backfilld.engine.brakes.prometheus_signal import PrometheusSignal
from backfilld.engine.brakes.signals import LookFailed
from backfilld.store.admin import audit
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool
from backfilld.store.steering.brakes import BrakeStore

LONGEST_RELEASE = timedelta(hours=24)
EPISODES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class BrakeNow:
    """A brake as it is at this moment, and when it held before (newest first)."""

    brake: Brake
    at: datetime
    episodes: tuple[Episode, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look saw. `is_bad`: by itself it would hold; None: it saw nothing."""

    now: BrakeNow
    seen: Seen | None
    problem: str | None
    is_bad: bool | None
    is_critical: bool
    seconds: float
    history: History | None = None


class BrakeOperations:
    """One function per verb."""

    def __init__(self, pool: Pool, brakes: Brakes, clock: Clock) -> None:
        self._pool = pool
        self._store = BrakeStore(pool)
        self._backfills = BackfillStore(pool)
        self._brakes = brakes
        self._clock = clock

    async def list_all(self) -> list[BrakeNow]:
        """Those of the file, by name."""
        return [await self._now(brake) for brake in sorted(self._brakes, key=lambda brake: brake.settings.name)]

    async def look(self, name: str, since: timedelta | None = None) -> Looked:
        """Look now. It is a look like any other: the verdict is taken from it. `since`: and look back so far."""
        brake = self._get(name)
        past = None if since is None else await self._history(brake, since)
        began = self._clock.monotonic()
        look = await brake.look()
        seconds = self._clock.monotonic() - began
        if isinstance(look, Failed):
            return Looked(await self._now(brake), None, look.problem, None, False, seconds, past)
        verdict = brake.verdict
        return Looked(await self._now(brake), look, None, verdict.bad_in_a_row > 0, verdict.is_critical, seconds, past)

    async def _history(self, brake: Brake, since: timedelta) -> History:
        signal, rules, now = brake.signal, brake.settings.rules, self._clock.now()
        if not isinstance(signal, PrometheusSignal):
            message = f"is for brakes of type prometheus, which know their past; this is of type {brake.settings.kind}"
            raise Invalid([Fault("/since", "no_history", message)])
        try:
            samples, step = await signal.history(now - since, now, rules.every_seconds)
        except LookFailed as problem:
            raise Unavailable(f"the past cannot be seen: {problem}") from problem
        held = would_have_held(samples, rules, now, step)
        return history_of(held, [value for _, value in samples], rules, await self._windows(brake))

    async def _windows(self, brake: Brake) -> list[Calendar]:
        """Of the backfills that are active and that it applies to."""
        calendars = []
        for backfill in await self._backfills.list_by_status(ACTIVE):
            workflows = brake.settings.scope.workflows
            if workflows is None or workflows & _names_of(backfill):
                with suppress(UnreadableWindows):
                    calendars.append(calendar_of(backfill) or Calendar(WeeklyWindows.ALWAYS, zone_of(backfill)))
        return calendars

    async def reset(self, actor: Actor, name: str, *, why: str | None = None) -> tuple[BrakeNow, str]:
        """Take the latch away, and say what came of it; Conflict while the signal is bad, or cannot be seen."""
        brake = self._get(name)
        look = await brake.look()
        if isinstance(look, Failed):
            raise Conflict(
                f"{name} cannot be seen, so nobody knows whether it is well: {look.problem}", code="brake_bad"
            )
        if brake.verdict.bad_in_a_row:
            raise Conflict(f"{name} is still bad: {brake.why}", code="brake_bad")
        if brake.unwritten is not None:
            await self._brakes.remember()
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            before = await self._store.reset(name, on=connection)
            if before is not None:
                old = {"critical_at": before.critical_at, "critical_value": before.critical_value}
                await audit.record(connection, actor, "brake.reset", f"brake/{name}", at=now, reason=why, old=old)
            reached(Point.BRAKE_RESET_BEFORE_COMMIT)
        reached(Point.BRAKE_RESET_AFTER_COMMIT)
        await self._learn(brake)
        return await self._now(brake), "it is reset" if before is not None else "nothing new: it was not latched"

    async def release(self, actor: Actor, name: str, *, until: datetime, why: str | None = None) -> BrakeNow:
        """Hold it open until then, whatever it sees; a release before is replaced."""
        brake, now = self._get(name), self._clock.now()
        if not now < until <= now + LONGEST_RELEASE:
            message = "must be ahead, and at most 24 hours: a release ends by itself"
            raise Invalid([Fault("/until", "out_of_range", message)])
        async with self._pool.acquire() as connection, connection.transaction():
            old = (await self._store.read(on=connection)).get(name, Kept())
            await self._store.release(name, until=until, by=actor.name, why=why, on=connection)
            await audit.record(
                connection, actor, "brake.release", f"brake/{name}", at=now, reason=why,
                old={"released_until": old.released_until}, new={"released_until": until},
            )  # fmt: skip
            reached(Point.BRAKE_RELEASE_BEFORE_COMMIT)
        reached(Point.BRAKE_RELEASE_AFTER_COMMIT)
        await self._learn(brake)
        return await self._now(brake)

    def _get(self, name: str) -> Brake:
        brake = self._brakes.find(name)
        if brake is None:
            known = [one.settings.name for one in self._brakes]
            raise NotFound(f"there is no brake '{name}'{did_you_mean(name, known)}")
        return brake

    async def _learn(self, brake: Brake) -> None:
        """Put what is kept in force here at once; other daemons hear of it."""
        brake.keep((await self._store.read()).get(brake.settings.name, Kept()))

    async def _now(self, brake: Brake) -> BrakeNow:
        episodes = await self._store.list_episodes(brake.settings.name, EPISODES_SHOWN)
        return BrakeNow(brake, self._clock.now(), tuple(episodes))


def _names_of(backfill: Backfill) -> set[str]:
    return {f"{backfill.project_name}/{backfill.workflow_name}", f"{backfill.project_name}/*"}
