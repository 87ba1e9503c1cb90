"""Which runs there are, in which order, and what all of it may take.

Contenders are interleaved: a round has every contender once, so that whatever the machine does for a minute happens to
all of them. Sizes are chosen so that seven rounds and everything else fit into twenty minutes on two cores.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.project import OURS
from bench.workloads import W1, W2, W3, W3_MANY, Workload

LIMIT, PGQUEUER, PROCRASTINATE = "bare aiohttp", "PgQueuer", "Procrastinate"


@dataclass(frozen=True)
class Step:
    """One run to be made."""

    contender: str
    workload: Workload
    items: int
    round: int


@dataclass(frozen=True)
class Scale:
    """How much is measured. `large`: the million of P5, P6 and P10."""

    rounds: int = 7
    items: int = 10_000
    few: int = 1_000
    slow_items: int = 3_000
    many_items: int = 20_000
    medium: int = 100_000
    medium_rounds: int = 3
    large: int = 1_000_000
    waiting: int = 1_000
    idle_seconds: float = 30.0
    slow_disk_rounds: int = 3
    restarts: int = 3


FULL = Scale()
QUICK = Scale(
    rounds=2, items=5_000, few=500, slow_items=500, many_items=5_000, medium=20_000, medium_rounds=1, large=100_000,
    waiting=100, idle_seconds=5.0, slow_disk_rounds=1, restarts=1,
)  # fmt: skip


def rounds(scale: Scale) -> Iterator[Step]:
    """The small sizes, of which the ratios are made."""
    for round in range(scale.rounds):
        yield Step(LIMIT, W2, scale.items, round)
        yield Step(OURS, W2, scale.items, round)
        yield Step(PGQUEUER, W2, scale.items, round)
        yield Step(OURS, W1, scale.items, round)
        yield Step(PGQUEUER, W1, scale.items, round)
        yield Step(LIMIT, W3, scale.slow_items, round)
        yield Step(OURS, W3, scale.slow_items, round)
        yield Step(LIMIT, W3_MANY, scale.many_items, round)
        yield Step(OURS, W3_MANY, scale.many_items, round)
        for workload in (W1, W2, W3):
            if round < scale.medium_rounds:  # they are the slowest, and no ratio is made of them
                yield Step(PROCRASTINATE, workload, scale.few, round)
                yield Step(PGQUEUER, W3, scale.few, round) if workload is W3 else Step(OURS, workload, scale.few, round)


def sizes(scale: Scale) -> Iterator[Step]:
    """The larger sizes, with fewer rounds."""
    for round in range(scale.medium_rounds):
        yield Step(LIMIT, W2, scale.medium, round)
        yield Step(OURS, W2, scale.medium, round)
        yield Step(OURS, W1, scale.medium, round)
    yield Step(OURS, W1, scale.large, 0)
    yield Step(OURS, W2, scale.large, 0)
