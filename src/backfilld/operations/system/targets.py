"""What people may ask of targets: how each is, and to be asked again at once."""

from collections.abc import Sequence

from backfilld.clock import Clock
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import NotFound, did_you_mean
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.state import TargetState
from backfilld.store.admin import audit
from backfilld.store.connection.pool import Pool


class TargetOperations:
    """One function per verb; all about this process, for each daemon finds out for itself how a target is."""

    def __init__(self, pool: Pool, targets: Targets, clock: Clock) -> None:
        self._pool = pool
        self._targets = targets
        self._clock = clock

    def list_all(self) -> Sequence[TargetState]:
        """Those that this daemon has used since it began, by name."""
        return self._targets.states()

    async def try_now(self, actor: Actor, name: str, *, why: str | None = None) -> str:
        """Have the next probe of an outage or a refusal made at once; what came of it, for people. NotFound."""
        state = next((one for one in self._targets.states() if one.target == name), None)
        if state is None:
            near = did_you_mean(name, [one.target for one in self._targets.states()])
            raise NotFound(f"this daemon has not used a target {name[:200]!r}{near}")
        if state.state == "closed" and not state.refuses:
            return "there is nothing to ask: it can be reached, and refuses nobody"
        self._targets.ask_now(name)
        now = self._clock.now()
        async with self._pool.acquire() as connection:
            await audit.record(connection, actor, "target.try_now", f"target/{name}", at=now, reason=why)
        return "it is asked with the next item that is due"
