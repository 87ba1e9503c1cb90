"""What processes and the machine have used so far, read from /proc.

CPU is read from `schedstat`, which counts nanoseconds: the ticks of `stat` are 10 ms each, and a server of ten
processes would be off by a tenth of a second.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
GONE = (FileNotFoundError, ProcessLookupError)
TICKS = os.sysconf("SC_CLK_TCK")
IDLE_FIELDS = (3, 4)  # idle and iowait, of the numbers behind "cpu"


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of all threads of these processes, as long as they live."""
    return sum(_thread_nanoseconds(task) for pid in pids for task in _threads(pid)) / 1e9


def reaped_seconds(pid: int) -> float:
    """What children of `pid` had used when they ended."""
    with suppress(*GONE):
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / TICKS
    return 0.0


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that live."""
    found: list[int] = []
    for task in _threads(pid):
        with suppress(*GONE):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def peak_bytes(pid: int) -> int:
    """The most memory that the process ever held (VmHWM)."""
    return _status_bytes(pid, "VmHWM:")


def held_bytes(pid: int) -> int:
    """What the process holds now (VmRSS)."""
    return _status_bytes(pid, "VmRSS:")


def busy_seconds() -> float:
    """CPU time that anybody used on this machine; time that was stolen from it included."""
    words = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(int(word) for place, word in enumerate(words) if place not in IDLE_FIELDS) / TICKS


def _threads(pid: int) -> list[Path]:
    with suppress(*GONE):
        return list((PROC / str(pid) / "task").iterdir())
    return []


def _thread_nanoseconds(task: Path) -> int:
    with suppress(*GONE):
        return int((task / "schedstat").read_text().split()[0])
    return 0


def _status_bytes(pid: int, name: str) -> int:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024
