"""What systemd hears from the real daemon, over a life: started, reloaded, alive, stopped."""

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from pathlib import Path

import asyncpg
import pytest
from tests.support.daemon import DaemonProcess, Plan, daemon_process
from tests.support.database import scratch_folder
from tests.support.waiting import eventually

WATCHDOG_USEC = 400_000
WAITING, FINISHING = "waiting for the database", "letting work in flight finish; N s left"
TARGET = "http://127.0.0.1:9"  # nothing is sent there


class Systemd:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(WATCHDOG_USEC)}
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _read(self) -> None:
        lines = self._socket.recv(4096).decode().split("\n")
        self.heard.append(dict(line.split("=", 1) for line in lines))

    def all(self, key: str) -> list[dict[str, str]]:
        return [message for message in self.heard if key in message]

    def said(self) -> list[str]:
        """The order of things, without the pulse; what only people are told in its words, once if only time went on."""
        found = [_told(message) for message in self.heard if "WATCHDOG" not in message]
        return [one for one, _ in groupby(found)]

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


def _told(message: dict[str, str]) -> str:
    key = next(iter(message))
    return re.sub(r"\d+ s left", "N s left", message["STATUS"]) if key == "STATUS" else key


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
async def systemd(scratch: Path) -> AsyncIterator[Systemd]:
    manager = Systemd(scratch / "notify")
    yield manager
    manager.close()


@pytest.fixture
async def daemon(scratch: Path, empty_dsn: str, systemd: Systemd) -> AsyncIterator[DaemonProcess]:
    async with daemon_process(scratch / "daemon", Plan(TARGET, empty_dsn)) as daemon:
        daemon.environment = systemd.environment
        yield daemon


async def test_over_a_life(daemon, systemd, empty_dsn):
    await daemon.launch()
    await eventually(lambda: systemd.all("READY"), seconds=30)
    connection = await asyncpg.connect(empty_dsn)
    migrated = await connection.fetchval("SELECT to_regclass('outcomes') IS NOT NULL")
    await connection.close()
    status, _ = await daemon.get("/readyz")

    assert migrated
    assert 200 == status
    assert systemd.all("READY")[0]["STATUS"].startswith(f"serving {daemon.url} on ")

    beats = len(systemd.all("WATCHDOG"))
    await eventually(lambda: len(systemd.all("WATCHDOG")) >= beats + 3)

    daemon.signal(signal.SIGHUP)
    await eventually(lambda: len(systemd.all("READY")) == 2)

    assert systemd.all("RELOADING")[0]["MONOTONIC_USEC"].isdigit()

    assert 0 == await daemon.stop()
    assert [WAITING, "READY", "RELOADING", "READY", "STOPPING", FINISHING] == systemd.said()


async def test_a_faulty_file_ends_reloading_too(daemon, systemd):
    await daemon.launch()
    await eventually(lambda: systemd.all("READY"), seconds=30)
    daemon.config.write_text("[serverr]\n")
    daemon.signal(signal.SIGHUP)
    await eventually(lambda: len(systemd.all("READY")) == 2)

    assert daemon.is_running
    assert daemon.events("configuration not reloaded")


async def test_it_is_not_ready_while_the_database_is_away(scratch, systemd):
    nowhere = f"postgresql://nobody@/nothing?host={scratch}"
    async with daemon_process(scratch / "daemon", Plan(TARGET, nowhere)) as daemon:
        daemon.environment = systemd.environment
        await daemon.launch()
        await eventually(lambda: daemon.events("not ready"), seconds=30)
        await eventually(lambda: systemd.all("WATCHDOG"))
        await daemon.stop()

        first, *others, stopping, finishing = systemd.said()
        assert [WAITING, "STOPPING", FINISHING] == [first, stopping, finishing]
        assert [] == [one for one in others if not one.startswith("waiting: ")]
