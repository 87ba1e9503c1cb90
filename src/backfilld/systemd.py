"""Tells systemd how we are: ready, reloading, stopping, alive.

The protocol is a datagram of `KEY=value` lines to `$NOTIFY_SOCKET`. Without systemd nothing is sent, and
nothing of this may ever hurt the daemon: a message that cannot be delivered is dropped.
"""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

from backfilld.clock import Clock


class Notifier:
    """Whatever called us, told how we are. Harmless where nobody wants to know."""

    def __init__(self, clock: Clock, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._clock = clock
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(environ)

    def ready(self, status: str = "") -> None:
        """Started, or done with reloading."""
        self._send(READY="1", STATUS=status)

    def reloading(self) -> None:
        """About to read the configuration again; `ready` ends it."""
        self._send(RELOADING="1", MONOTONIC_USEC=str(int(self._clock.monotonic() * 1_000_000)))

    def stopping(self, status: str = "") -> None:
        self._send(STOPPING="1", STATUS=status)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(STATUS=text)

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send(WATCHDOG="1")

    async def feed_watchdog(self, is_well: Callable[[], bool] = lambda: True) -> None:
        """Feed it twice per interval as long as `is_well`; returns at once if there is no watchdog."""
        while self.watchdog_seconds is not None:
            if is_well():
                self.alive()
            await self._clock.sleep(self.watchdog_seconds / 2)

    def _send(self, **message: str) -> None:
        if self._address is None:
            return
        text = "\n".join(f"{key}={value.replace(chr(10), ' ')}" for key, value in message.items() if value)
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)
            out.sendto(text.encode(), self._address)


def _address(name: str) -> str | None:
    """A path, or an abstract socket (`@name`, written with a NUL); anything else cannot be spoken to."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """The interval, if systemd expects it of this very process and not of one that started us."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1_000_000 if microseconds > 0 else None
