"""The daemon in a world that a test bends: another wall time, and names that resolve or do not.

Run as `python -m tests.support.bent_world serve …`. Nothing in the program knows of it: here the one class that reads
the clock, and the one function that asks DNS, are told to look into a file first, which the test may change at any
moment.
"""

import json
import os
import socket
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from backfilld.cli.main import main
from backfilld.clock import SystemClock
from backfilld.executors.http.wire import resolver

VARIABLE = "BENT_WORLD"
REPOSITORY = Path(__file__).parents[2]


@dataclass
class BentWorld:
    """The test's side: `environment` is for the daemon, `bend` for now."""

    file: Path
    seconds: float = 0.0  # that the wall clock is ahead
    hosts: dict[str, str] = field(default_factory=dict)  # names below .test; others of that kind are unknown

    def __post_init__(self) -> None:
        self.bend()

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: str(self.file), "PYTHONPATH": str(REPOSITORY)}

    def bend(self, **changes: Any) -> None:
        """Change the world at once."""
        for name, value in changes.items():
            setattr(self, name, value)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"seconds": self.seconds, "hosts": self.hosts}))
        fresh.replace(self.file)


def _world() -> Any:
    return json.loads(Path(os.environ[VARIABLE]).read_text())


_now, _look_up = SystemClock.now, resolver.look_up


def _bent_now(clock: SystemClock) -> datetime:
    return _now(clock) + timedelta(seconds=_world()["seconds"])


async def _bent_look_up(host: str, port: int) -> list[resolver.AddressInfo]:
    if not host.endswith(".test"):
        return await _look_up(host, port)
    address = _world()["hosts"].get(host)
    if address is None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return await _look_up(address, port)


if __name__ == "__main__":
    SystemClock.now = _bent_now  # type: ignore[method-assign]
    resolver.look_up = _bent_look_up
    main()
