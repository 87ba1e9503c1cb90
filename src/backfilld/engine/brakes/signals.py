"""Where brakes look: one protocol, so that whoever waits for a look need not know what it asks."""

from typing import Protocol

from backfilld.domain.brakes.verdicts import Seen


class LookFailed(Exception):
    """Nothing was seen; the message says why, without anything secret."""


class Signal(Protocol):
    """What a brake looks at."""

    async def look(self) -> Seen:
        """What is to be seen now; LookFailed. The caller bounds the time, and may cancel."""

    async def close(self) -> None:
        """Let go of connections; another look would open new ones."""
