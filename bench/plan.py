"""Which runs there are, in which order, and how large they are.

Contenders are interleaved: a round has every contender once, so that whatever the machine does for a minute happens to
all of them, and those of one ratio stand side by side. Sizes are chosen so that everything takes less than twenty
minutes on two quiet cores (docs/benchmarks.md says what takes how long).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.project import NARROWER, OURS
from bench.workloads import W1, W2, W2_JSON, W3, W3_MANY, Workload

AIOHTTP, TUNED, BY_HAND = "aiohttp", "aiohttp, tuned", "httptools, by hand"
PGQUEUER, PROCRASTINATE = "PgQueuer", "Procrastinate"


@dataclass(frozen=True)
class Step:
    """One run to be made."""

    contender: str
    workload: Workload
    items: int
    round: int


@dataclass(frozen=True)
class Scale:
    """How much is measured. `large`: the million of P5, P6, P10, P15 and P20, and twice the ids of P16."""

    rounds: int = 7
    items: int = 10_000
    noop_items: int = 20_000  # of W1, which takes so little that to begin and to end would be much of less
    few: int = 1_000
    slow_items: int = 1_500
    many_items: int = 10_000
    beside_rounds: int = 1
    medium: int = 100_000
    medium_rounds: int = 2
    large: int = 1_000_000
    waiting: int = 1_000
    idle_seconds: float = 20.0
    slow_disk_rounds: int = 2
    restarts: int = 3
    starts: int = 5
    long_items: int = 200
    long_seconds: float = 5.0
    viewers: int = 100
    viewer_seconds: float = 5.0
    viewer_rounds: int = 3


FULL = Scale()
QUICK = Scale(
    rounds=2, items=5_000, noop_items=10_000, few=500, slow_items=500, many_items=5_000, beside_rounds=1,
    medium=20_000, medium_rounds=1, large=100_000, waiting=100, idle_seconds=5.0, slow_disk_rounds=1, restarts=1,
    starts=2, long_items=60, long_seconds=0.5, viewers=40, viewer_seconds=3.0, viewer_rounds=1,
)  # fmt: skip


def rounds(scale: Scale) -> Iterator[Step]:
    """The small sizes, of which the ratios are made."""
    for number in range(scale.rounds):
        yield from one_round(scale, number)


def one_round(scale: Scale, number: int) -> Iterator[Step]:
    """Whoever is part of a ratio, and the limit beside them, once."""
    yield Step(TUNED, W2_JSON, scale.items, number)
    yield Step(OURS, W2_JSON, scale.items, number)
    yield Step(AIOHTTP, W2_JSON, scale.items, number)
    yield Step(BY_HAND, W2_JSON, scale.items, number)
    yield Step(PGQUEUER, W2_JSON, scale.items, number)
    yield Step(TUNED, W2, scale.items, number)
    yield Step(OURS, W2, scale.items, number)
    yield Step(PGQUEUER, W1, scale.items, number)
    yield Step(OURS, W1, scale.noop_items, number)
    yield Step(AIOHTTP, W3, scale.slow_items, number)
    yield Step(OURS, W3, scale.slow_items, number)
    yield Step(AIOHTTP, W3_MANY, scale.many_items, number)
    yield Step(OURS, W3_MANY, scale.many_items, number)


def sizes(scale: Scale) -> Iterator[Step]:
    """The larger sizes, with fewer rounds."""
    for number in range(scale.medium_rounds):
        yield Step(OURS, W2, scale.medium, number)
    yield Step(OURS, W2, scale.large, 0)


def beside(scale: Scale) -> Iterator[Step]:
    """What no ratio is made of: the slowest, ours at their size, and ours with other settings."""
    for number in range(scale.beside_rounds):
        for workload in (W1, W2, W3):
            yield Step(PROCRASTINATE, workload, scale.few, number)
        for workload in (W1, W2):
            yield Step(OURS, workload, scale.few, number)
        yield Step(NARROWER, W1, scale.noop_items, number)
        yield Step(NARROWER, W2, scale.items, number)
        yield Step(PGQUEUER, W3, scale.few, number)
