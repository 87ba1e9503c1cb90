"""The way out of log lines, on which the daemon waits for nobody.

A pipe that nobody reads is full after 64 KiB, and whoever writes to it then stands still: with a logger on the event
loop, that is the whole daemon, and no signal ends it. So a line is written at once where the system takes it at once,
which is nearly always, and whatever a kill follows has been said; else a thread writes it, and waits in our place.
What does not fit into the queue of that thread is dropped, counted, and told of once lines go out again.
"""

import logging
import os
import select
import socket
import stat
import threading
from collections import deque
from contextlib import suppress

MOST_WAITING_BYTES = 4 << 20
FLUSH_SECONDS = 1.0  # at the end of the process, for a reader that may be slow
AT_ONCE_BYTES = select.PIPE_BUF  # so much a pipe takes whole, if it says that it takes anything
REPLACED = "backslashreplace"


class Outlet(logging.Handler):
    """Writes every record as a line to the descriptor `out`."""

    def __init__(self, out: int, *, most_waiting_bytes: int = MOST_WAITING_BYTES) -> None:
        super().__init__()
        self.out = out
        self.dropped = 0
        self._most = most_waiting_bytes
        self._untold = 0
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_waiting = False  # the thread, for the system to take a line
        mode = os.fstat(out).st_mode
        self._is_file = stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(out))
        self._is_pipe = stat.S_ISFIFO(mode)
        self._socket = socket.socket(fileno=os.dup(out)) if stat.S_ISSOCK(mode) else None

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, have it written, or drop it; at once in any case."""
        try:
            line = self.format(record).encode(errors=REPLACED) + b"\n"
        except Exception:  # as the standard library: a record that cannot be told ends nothing
            line = f"a log line of {record.name} cannot be formatted: {record.msg!r:.200}\n".encode(errors=REPLACED)
        with self._changed:
            if self._untold and self._bytes < self._most // 2:
                line = self._told() + line
            self._take(line)

    def flush(self) -> None:
        """Return when nothing waits any more, or after a moment."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._is_waiting, FLUSH_SECONDS)

    def close(self) -> None:
        """Let go of what is ours; the descriptor is not."""
        with self._changed:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
        super().close()

    def _take(self, line: bytes) -> None:
        if not self._waiting and not self._is_waiting:
            line = self._rest_of(line)
        if not line:
            return
        if self._bytes + len(line) > self._most:
            self.dropped += 1
            self._untold += 1
            return
        self._waiting.append(line)
        self._bytes += len(line)
        self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_for_ever, name="log", daemon=True)
            self._thread.start()

    def _rest_of(self, line: bytes) -> bytes:
        """What of `line` the system does not take at once."""
        with suppress(OSError):  # whatever is wrong, the thread finds it as well
            if self._socket is not None:
                return line[self._socket.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            if self._is_file or (self._is_pipe and len(line) <= AT_ONCE_BYTES and self._takes_some()):
                return line[os.write(self.out, line) :]
        return line

    def _takes_some(self, milliseconds: int | None = 0) -> bool:
        poll = select.poll()
        poll.register(self.out, select.POLLOUT)
        return bool(poll.poll(milliseconds))

    def _told(self) -> bytes:
        """The line about those that are missing."""
        words = f"{self._untold} log lines were dropped: nobody read them in time"
        self._untold = 0
        told = logging.LogRecord(__name__, logging.WARNING, __file__, 0, words, None, None)
        return self.format(told).encode(errors=REPLACED) + b"\n"

    def _write_for_ever(self) -> None:
        while True:
            with self._changed:
                self._is_waiting = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                line = self._waiting.popleft()
                self._bytes -= len(line)
                self._is_waiting = True
            self._write(line)

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self.out, line) :]
            except BlockingIOError:  # somebody else has made it so
                self._takes_some(None)
            except OSError:  # nobody will ever read it
                with self._changed:
                    self.dropped += 1
                return
