"""What the daemon answers to each signal that somebody may send it.

Most signals end a process that says nothing to them, without a line in its log. So every one that can be caught and
does not tell of a fault of our own has an answer.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from backfilld.app.process.task_report import tell_tasks

log = structlog.get_logger(__name__)

# A fault in native code, a watchdog's SIGABRT, what a shell does with its jobs, and what others have caught already.
LEFT_ALONE = frozenset(
    getattr(signal, name)
    for name in (
        "SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS", "SIGABRT", "SIGSTKFLT",
        "SIGCHLD", "SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGWINCH", "SIGPIPE", "SIGXFSZ",
    )
    if hasattr(signal, name)
)  # fmt: skip


class Told(Protocol):
    """What can be told to stop, and to read its configuration again."""

    def stop(self) -> None: ...

    def reload(self) -> None: ...


def answer_signals(loop: asyncio.AbstractEventLoop, daemon: Told) -> None:
    """Answer every signal from now on."""
    for number, answer in answers(daemon).items():
        loop.add_signal_handler(number, answer)


def answers(daemon: Told) -> Mapping[int, Callable[[], object]]:
    """What is done at each signal; the others are left alone."""

    def stop_now() -> None:
        daemon.stop()
        daemon.stop()

    known: dict[int, Callable[[], object]] = {
        signal.SIGTERM: daemon.stop,
        signal.SIGINT: daemon.stop,
        signal.SIGQUIT: stop_now,
        signal.SIGHUP: daemon.reload,
        signal.SIGUSR1: tell_tasks,
    }
    others = set(signal.valid_signals()) - LEFT_ALONE - known.keys()
    return known | {number: _named(number) for number in others}


def _named(number: int) -> Callable[[], object]:
    name = number.name if isinstance(number, signal.Signals) else f"signal {number}"
    return lambda: log.warning("a signal that means nothing here", signal=name)
