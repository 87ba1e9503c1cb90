"""What a program may take of the machine, and how it meets signals: as any other program, not as a part of the daemon.

A daemon that was started with signals ignored or blocked, or that has raised its own limits, would hand all of that on
to what it starts. And where memory runs out, the program goes before the daemon that watches over it.
"""

import contextlib
import logging
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from backfilld.executors.definition import ProgramLimits

log = logging.getLogger(__name__)

SACRIFICED_SOONER_BY = 500  # of the 1,000 points by which the kernel chooses what to end
_MOST_POINTS = 1000
_KILLED_LATER_SECONDS = 5  # SIGXCPU first, which a program may answer; then SIGKILL
_MIB = 1 << 20
_NO_LIMITS = ProgramLimits()
# As this process was given it: it raises its own later, which programs that use select() do not bear.
_SOFT_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
# `subprocess` sees to these by itself.
_RESTORED = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


@contextlib.contextmanager
def ordinary_signals() -> Iterator[None]:
    """What is started within meets every signal as the system has it: none is ignored, none is blocked.

    A signal that is handled is reset when a program begins, one that is ignored is not; so none is ignored meanwhile.
    """
    # What waits already to be let through goes on waiting: it is ours.
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, signal.sigpending())
    ignored: list[int] = []
    try:
        if threading.current_thread() is threading.main_thread():
            ignored = [number for number in signal.valid_signals() if _is_ignored(number)]
            for number in ignored:
                signal.signal(number, _unheard)
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _is_ignored(number: int) -> bool:
    return number not in _RESTORED and signal.getsignal(number) is signal.SIG_IGN


def _unheard(*_: object) -> None:
    """Stands for "ignored"."""


def bound(pid: int, limits: ProgramLimits | None) -> None:
    """Hold a program that has just been started, and what it will start, to its limits."""
    limits = limits or _NO_LIMITS
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    _limit(pid, resource.RLIMIT_NOFILE, _SOFT_FILES, most_files)
    if limits.memory_mb is not None:
        _limit(pid, resource.RLIMIT_AS, limits.memory_mb * _MIB, limits.memory_mb * _MIB)
    if limits.cpu_seconds is not None:
        _limit(pid, resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + _KILLED_LATER_SECONDS)
    with contextlib.suppress(OSError, ValueError):  # it is over already, or this system knows nothing of the kind
        points = int(Path("/proc/self/oom_score_adj").read_text()) + SACRIFICED_SOONER_BY
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(min(points, _MOST_POINTS)))


def _limit(pid: int, what: int, soft: int, hard: int) -> None:
    _, most = resource.getrlimit(what)  # ours is what may be handed on at most
    if most != resource.RLIM_INFINITY:
        soft, hard = _smaller(soft, most), _smaller(hard, most)
    try:
        resource.prlimit(pid, what, (soft, hard))
    except ProcessLookupError:
        pass
    except (OSError, ValueError) as problem:  # as when the program has become another user
        log.warning("a program cannot be held to its limits: %r", problem)


def _smaller(one: int, other: int) -> int:
    return other if one == resource.RLIM_INFINITY else min(one, other)
