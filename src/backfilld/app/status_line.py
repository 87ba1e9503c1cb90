"""The line of `systemctl status`: what the daemon does or waits for, who has stopped it, a reload that failed."""

from datetime import datetime

from backfilld.app.readiness import Readiness
from backfilld.clock import Clock
from backfilld.systemd import Notifier

LOOKS_AGAIN_SECONDS = 5.0


class StatusLine:
    """Told by those who know; what changes by itself is looked at every few seconds by `follow`."""

    def __init__(self, notifier: Notifier, readiness: Readiness, clock: Clock) -> None:
        self._notifier = notifier
        self._readiness = readiness
        self._clock = clock
        self._told = ""
        self._not_reloaded = ""
        self.serving = ""

    @property
    def text(self) -> str:
        """All of it."""
        readiness = self._readiness
        waits = f"waiting: {readiness.waits_for}".replace("waiting: waiting", "waiting")
        parts = [self.serving if readiness.migrated else waits]
        if readiness.migrated and (stop := readiness.stop_reason) is not None:
            parts.append(stop.message)
        if self._not_reloaded:
            parts.append(self._not_reloaded)
        return "; ".join(filter(None, parts))

    def reloaded(self, faults: int, at: datetime) -> None:
        """How reading the file again went: without faults, or since when it is not in force as it is."""
        if not faults:
            self._not_reloaded = ""
        elif not self._not_reloaded:
            self._not_reloaded = f"configuration not reloaded since {at:%Y-%m-%d %H:%M:%S} UTC, the log says why"

    def tell(self) -> None:
        """Tell systemd, if it is new."""
        if self.text != self._told and not self._readiness.stopping:
            self._told = self.text
            self._notifier.status(self._told)

    async def follow(self) -> None:
        """Keep it true."""
        while True:
            self.tell()
            await self._clock.sleep(LOOKS_AGAIN_SECONDS)
