"""What one run of one contender came to."""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from bench.machine import busy_seconds, cpu_seconds, reaped_seconds
from bench.postgres import Postgres

QUIET_SHARE = 0.10  # of one core, used by others while we measured: more, and the round does not count


@dataclass(frozen=True)
class Run:
    """Seconds are of wall time, CPU is seconds of all cores. `others_cpu` is what nobody of ours used."""

    contender: str
    workload: str
    items: int
    round: int
    seconds: float
    client_cpu: float
    postgres_cpu: float
    others_cpu: float
    wal_bytes: int
    peak_bytes: int
    recorder_cpu: float = 0.0
    commits: int = 0
    plan_seconds: float = 0.0

    @property
    def micros(self) -> float:
        """Wall time per item."""
        return self.seconds / self.items * 1e6

    @property
    def cpu_micros(self) -> float:
        """CPU per item, client and database."""
        return (self.client_cpu + self.postgres_cpu) / self.items * 1e6

    @property
    def is_quiet(self) -> bool:
        return self.others_cpu <= QUIET_SHARE * self.seconds + 0.05

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Used:
    """What everybody has used so far."""

    client_cpu: float
    postgres_cpu: float
    others_cpu: float
    wal_bytes: int

    def since(self, before: "Used") -> dict[str, Any]:
        """The difference, under the names that `Run` has for it."""
        now, then = asdict(self), asdict(before)
        return {name: max(0, now[name] - then[name]) for name in now}


async def used(postgres: Postgres, client: int, besides: Iterable[int]) -> Used:
    """Take stock. `besides`: processes of ours that are not measured (the target)."""
    client_cpu, postgres_cpu = cpu_seconds([client]), postgres.cpu_seconds()
    ours = client_cpu + postgres_cpu + cpu_seconds([*besides, os.getpid()]) + reaped_seconds(os.getpid())
    return Used(client_cpu, postgres_cpu, busy_seconds() - ours, await postgres.wal_position())
