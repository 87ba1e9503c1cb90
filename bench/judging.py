"""P1 to P13: the ratio that each of them is, and whether it passes its gate and reaches its aim.

A ratio is the median of the ratios of single rounds, over the rounds in which nobody else used the machine; where fewer
than three such are left, over all of them, and the table says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.measured import Run
from bench.notebook import Notebook
from bench.plan import LIMIT, PGQUEUER
from bench.project import OURS

FEWEST_QUIET = 3
RATIOS = (("W2", LIMIT), ("W3", LIMIT), ("W3 x 10", LIMIT), ("W1", PGQUEUER), ("W2", PGQUEUER))
MIB = 1 << 20


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


def figures(notebook: Notebook) -> list[Figure]:
    """Every figure that can be computed of what was measured, in order."""
    return [figure for compute in COMPUTED for figure in compute(notebook)]


def ratio(
    name: str, what: str, ours: list[Run], theirs: list[Run], gate: str, aim: str,
    of: Callable[[Run], float] = lambda run: run.items / run.seconds,
) -> list[Figure]:  # fmt: skip
    """The median of the per-round ratios; nothing if no round has both."""
    pairs = _pairs(ours, theirs)
    quiet = [pair for pair in pairs if pair[0].is_quiet and pair[1].is_quiet]
    chosen, note = (quiet, "") if len(quiet) >= min(FEWEST_QUIET, len(pairs)) else (pairs, "others used the machine")
    if len(chosen) < len(pairs):
        note = f"{len(pairs) - len(chosen)} rounds dropped: others used the machine"
    if not chosen:
        return []
    ratios = [of(one) / of(two) for one, two in chosen]
    return [Figure(name, what, median(ratios), gate, aim, "", min(ratios), max(ratios), len(chosen), note)]


def _pairs(ours: list[Run], theirs: list[Run]) -> list[tuple[Run, Run]]:
    """Runs of the same round."""
    other = {run.round: run for run in theirs}
    return [(run, other[run.round]) for run in ours if run.round in other]


def quiet_rounds(book: Notebook) -> int:
    """How many rounds the ratio has that has the fewest of those in which nobody else used the machine."""
    return min(
        sum(one.is_quiet and two.is_quiet for one, two in _pairs(book.of(OURS, workload), book.of(other, workload)))
        for workload, other in RATIOS
    )


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


def _throughput(book: Notebook) -> list[Figure]:
    ours_w2, slow, many = book.of(OURS, "W2"), book.of(OURS, "W3"), book.of(OURS, "W3 x 10")
    return [
        *ratio("P1", "W2 ÷ bare aiohttp", ours_w2, book.of(LIMIT, "W2"), ">= 0.75", ">= 0.95"),
        *ratio("P2", "W3 ÷ bare aiohttp, 10 in flight", slow, book.of(LIMIT, "W3"), ">= 0.96", ">= 0.99"),
        *ratio("P2", "W3 ÷ bare aiohttp, 10 backfills × 10", many, book.of(LIMIT, "W3 x 10"), ">= 0.96", ">= 0.99"),
        *ratio("P3", "W1 ÷ PgQueuer", book.of(OURS, "W1"), book.of(PGQUEUER, "W1"), ">= 10", ">= 30"),
        *ratio("P4", "W2 ÷ PgQueuer", ours_w2, book.of(PGQUEUER, "W2"), ">= 3.5", ">= 5"),
    ]  # fmt: skip


def _growth(book: Notebook) -> list[Figure]:
    runs = [run for run in book.runs if (run.contender, run.workload) == (OURS, "W2")]
    if not runs or (large := max(runs, key=lambda run: run.items)).items == (small := book.of(OURS, "W2"))[0].items:
        return []
    cpu = large.cpu_micros / median(run.cpu_micros for run in small)
    grown = (large.peak_bytes - median(run.peak_bytes for run in small)) / MIB
    note = "" if large.is_quiet else "others used the machine"
    size, base = f"{large.items:,}", f"{small[0].items:,}"
    return [
        Figure("P5", f"CPU per item at {size} ÷ at {base}", cpu, "<= 1.25", "<= 1.05", note=note),
        Figure("P6", f"peak memory at {size} − at {base}", grown, "<= 15", "<= 5", "MiB"),
        Figure("P6", f"peak memory at {size}", large.peak_bytes / MIB, "<= 120", "<= 90", "MiB"),
    ]


def _outcomes(book: Notebook) -> list[Figure]:
    medium = max((run.items for run in book.runs if (run.contender, run.workload) == (LIMIT, "W2")), default=0)
    runs = book.of(OURS, "W2", medium)

    def wal(run: Run) -> float:
        return run.wal_bytes / run.items

    def cpu(run: Run) -> float:
        return run.recorder_cpu / run.items * 1e6

    def commits(run: Run) -> float:
        return run.commits / run.seconds

    return [
        *middle("P7", "WAL per item", runs, "<= 300", "<= 215", "B", wal),
        *middle("P7", "CPU of the recorder's backend per item", runs, "<= 20", "<= 7", "µs", cpu),
        *middle("P7", "commits of outcomes per second", runs, "<= 200", "<= 200", "/s", commits),
    ]  # fmt: skip


FOUND = (
    # finding, key, P, what, gate, aim, unit
    ("planning", "ratio", "P8", "planning ÷ COPY out and in of the same rows", "<= 3", "<= 1.5", ""),
    ("answers", "p99_ms", "P9", "p99 of GET of a backfill at full W2", "<= 50", "<= 10", "ms"),
    ("answers", "start_after_pause_ms", "P9", "last start after the answer to a pause", "<= 1000", "<= 50", "ms"),
    ("recovery", "seconds", "P10", "SIGKILL → first start, half done", "<= 5", "<= 1", "s"),
    ("recovery", "repeats_over_bound", "P10", "repeats beyond the bound", "<= 0", "<= 0", ""),
    ("points", "seconds", "P11", "schedule backfill of 10,000 sessions", "<= 1", "<= 0.4", "s"),
    ("idle", "core_percent", "P12", "idle with waiting backfills: share of a core", "<= 1", "<= 0.2", "%"),
    ("idle", "peak_mib", "P12", "idle with waiting backfills: peak memory", "<= 120", "<= 90", "MiB"),
    ("slow_disk", "ratio", "P13", "W2 with 5 ms more per flush ÷ without", ">= 0.7", ">= 0.9", ""),
)


def _found(book: Notebook) -> list[Figure]:
    figures = []
    for finding, key, name, what, gate, aim, unit in FOUND:
        found = book.findings.get(finding, {})
        if key in found:
            low, high = found.get(f"{key}_low"), found.get(f"{key}_high")
            note = found.get("note", "")
            figures.append(Figure(name, what, found[key], gate, aim, unit, low, high, found.get("rounds", 1), note))
    return figures


COMPUTED: tuple[Callable[[Notebook], list[Figure]], ...] = (_throughput, _growth, _outcomes, _found)
