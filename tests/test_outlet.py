"""The daemon never waits for whoever reads its log, and says what is missing in it."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from backfilld.logs.outlet import Outlet

PATIENCE_SECONDS = 60
LINES = 5_000
DAEMON = """
import asyncio
import structlog
import backfilld.app
from backfilld.cli import serve

class Daemon:
    def __init__(self, *_, **__): self._stop = asyncio.Event()
    def stop(self): self._stop.set()
    def __getattr__(self, name): return lambda *_: None

    async def run(self):
        for number in range(5000):
            structlog.get_logger("x").info("a line", number=number, more="x" * 1000)
        print("goes on", flush=True)
        await self._stop.wait()

backfilld.app.Daemon = Daemon
serve.command.main([])
"""


def logged(out: Outlet, words: str) -> None:
    out.handle(logging.LogRecord("x", logging.INFO, __file__, 0, words, None, None))


def pipe() -> tuple[int, int]:
    return os.pipe()


def stream() -> tuple[int, int]:
    """As the journal's."""
    reading, writing = socket.socketpair()
    return reading.detach(), writing.detach()


def read_all(reading: int) -> list[str]:
    with open(reading, encoding="utf-8") as lines:
        return lines.read().splitlines()


@pytest.mark.parametrize("ends", [pipe, stream])
def test_lines_that_nobody_reads_hold_nobody_up_and_those_that_do_not_fit_are_counted(ends):
    reading, writing = ends()
    out = Outlet(writing, most_waiting_bytes=100_000)
    for number in range(LINES):
        logged(out, f"{number:0200}")
    dropped = out.dropped
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(read_all(reading)))
    reader.start()
    while out._waiting or out._is_waiting:
        out.flush()
    logged(out, "the last")
    out.flush()
    out.close()
    os.close(writing)
    reader.join()
    numbers = [int(line) for line in got if line.isdigit()]

    assert 0 < dropped
    assert LINES == len(numbers) + dropped
    assert sorted(numbers) == numbers
    assert f"{dropped} log lines were dropped: nobody read them in time" == got[-2]
    assert "the last" == got[-1]


@pytest.mark.parametrize("ends", [pipe, stream])
def test_a_line_that_is_read_is_out_before_anything_else_happens(ends):
    reading, writing = ends()
    out = Outlet(writing)
    logged(out, "said before a kill")

    out.close()

    assert b"said before a kill\n" == os.read(reading, 100)
    assert out._thread is None


def test_a_reader_that_is_gone_ends_nothing():
    reading, writing = pipe()
    os.close(reading)
    out = Outlet(writing)
    for _ in range(3):
        logged(out, "into the void")
    out.flush()

    assert 3 == out.dropped


def test_a_record_that_cannot_be_formatted_is_named():
    reading, writing = pipe()
    out = Outlet(writing)
    out.handle(logging.LogRecord("x", logging.INFO, __file__, 0, "%d", ("no number",), None))

    assert b"a log line of x cannot be formatted: '%d'\n" == os.read(reading, 100)


@pytest.mark.slow
def test_a_daemon_whose_stderr_nobody_reads_works_and_stops_when_it_is_told():
    with subprocess.Popen([sys.executable, "-c", DAEMON], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        said = daemon.stdout.readline()
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(PATIENCE_SECONDS)

    assert b"goes on\n" == said
    assert 0 == code
