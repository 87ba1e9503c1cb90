"""Hearing of what other sessions commit: by LISTEN where that is possible, else by asking every second."""

from collections.abc import Callable

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.engine.service import Part, Patience, Service
from backfilld.store.connection.channel import Channel

LOOKS_EVERY_SECONDS = 1.0


class News:
    """Keeps a channel open; what was missed while it was not is looked at when it is open again."""

    part = Part.NEWS

    def __init__(self, channel: Channel, clock: Clock, bus: Bus) -> None:
        self._channel = channel
        self._service = Service(channel.open, clock, Patience.of(self.part, clock, bus), channel.lost)

    @property
    def obstacle(self) -> Exception | None:
        """Why nobody can listen now."""
        return self._service.obstacle

    async def serve(self) -> None:
        """Listen until cancelled."""
        try:
            await self._service.serve()
        finally:
            self._channel.close()


class Lookout:
    """In place of a channel where nobody can listen, behind a pooler: says every second that anything may be new."""

    part = Part.NEWS
    obstacle: Exception | None = None  # it asks nobody

    def __init__(
        self, clock: Clock, heard: Callable[[int | None], None], live: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._heard = heard
        self._live = live

    async def serve(self) -> None:
        """Go on until cancelled."""
        while True:
            self._heard(None)
            self._live()
            await self._clock.sleep(LOOKS_EVERY_SECONDS)
