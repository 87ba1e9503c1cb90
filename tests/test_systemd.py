"""What systemd hears from us, read from a socket as systemd reads it."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest
from tests.support.clock import FakeClock, settle

from backfilld.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path) -> Iterator[tuple[dict[str, str], socket.socket]]:
    """The environment that systemd gives, and its end of the socket."""
    path = str(tmp_path / "notify") if request.param == "path" else f"@backfilld-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as theirs:
        theirs.bind(path.replace("@", "\0"))
        theirs.settimeout(2)
        yield {"NOTIFY_SOCKET": path}, theirs


def heard(theirs: socket.socket) -> list[str]:
    return theirs.recv(4096).decode().split("\n")


def test_ready_reloading_and_stopping_are_told(systemd):
    environ, theirs = systemd
    clock = FakeClock()
    notifier = Notifier(clock, environ)

    notifier.ready("http://127.0.0.1:8642")
    assert ["READY=1", "STATUS=http://127.0.0.1:8642"] == heard(theirs)

    notifier.reloading()
    assert ["RELOADING=1", f"MONOTONIC_USEC={int(clock.monotonic() * 1_000_000)}"] == heard(theirs)

    notifier.stopping()
    assert ["STOPPING=1"] == heard(theirs)

    notifier.status("two\nlines")
    assert ["STATUS=two lines"] == heard(theirs)


async def test_the_watchdog_is_fed_twice_per_interval_while_we_are_well(systemd):
    environ, theirs = systemd
    clock, well = FakeClock(), [True]
    notifier = Notifier(clock, environ | {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())})
    feeding = asyncio.create_task(notifier.feed_watchdog(lambda: well[0]))
    await settle()
    await clock.advance(5)
    well[0] = False
    await clock.advance(20)
    feeding.cancel()

    assert [["WATCHDOG=1"], ["WATCHDOG=1"]] == [heard(theirs), heard(theirs)]
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard(theirs)


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}]
)
async def test_a_watchdog_of_somebody_else_is_not_fed(environ):
    notifier = Notifier(FakeClock(), environ)

    assert notifier.watchdog_seconds is None
    await notifier.feed_watchdog()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_where_nobody_listens_nothing_breaks(environ):
    Notifier(FakeClock(), environ).ready("fine")
