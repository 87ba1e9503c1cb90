"""What a figure is, and how it is made of runs: a ratio of rounds, or a median.

A ratio is the median of the ratios of single rounds, over the rounds in which nobody else used the machine; where fewer
than three such are left, over all of them, and the table says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.figures.measured import Run

FEWEST_QUIET = 3


@dataclass(frozen=True)
class Figure:
    """One number against its gate and its aim. `low` and `high`: the single rounds' least and most."""

    name: str
    what: str
    value: float
    gate: str
    aim: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    rounds: int = 1
    note: str = ""

    @property
    def verdict(self) -> str:
        """`aim`, `gate` or `missed`."""
        if _holds(self.value, self.aim):
            return "aim"
        return "gate" if _holds(self.value, self.gate) else "missed"


def _holds(value: float, bound: str) -> bool:
    """`bound` is like ">= 0.75" or "<= 5"; none at all holds if the gate does."""
    sign, _, number = bound.partition(" ")
    return value >= float(number) if sign == ">=" else value <= float(number)


def ratio(
    name: str, what: str, ours: list[Run], theirs: list[Run], gate: str, aim: str,
    of: Callable[[Run], float] = lambda run: run.items / run.seconds,
) -> list[Figure]:  # fmt: skip
    """The median of the per-round ratios; nothing if no round has both."""
    pairs = pairs_of(ours, theirs)
    quiet = [pair for pair in pairs if pair[0].is_quiet and pair[1].is_quiet]
    chosen, note = (quiet, "") if len(quiet) >= min(FEWEST_QUIET, len(pairs)) else (pairs, "others used the machine")
    if len(chosen) < len(pairs):
        note = f"{len(pairs) - len(chosen)} rounds dropped: others used the machine"
    if not chosen:
        return []
    ratios = [of(one) / of(two) for one, two in chosen]
    return [Figure(name, what, median(ratios), gate, aim, "", min(ratios), max(ratios), len(chosen), note)]


def pairs_of(ours: list[Run], theirs: list[Run]) -> list[tuple[Run, Run]]:
    """Runs of the same round."""
    other = {run.round: run for run in theirs}
    return [(run, other[run.round]) for run in ours if run.round in other]


def middle(
    name: str, what: str, runs: list[Run], gate: str, aim: str, unit: str, of: Callable[[Run], float]
) -> list[Figure]:
    """The median over the quiet runs."""
    quiet = [run for run in runs if run.is_quiet]
    chosen = quiet or runs
    if not chosen:
        return []
    values = [of(run) for run in chosen]
    note = "" if quiet else "others used the machine"
    return [Figure(name, what, median(values), gate, aim, unit, min(values), max(values), len(values), note)]
