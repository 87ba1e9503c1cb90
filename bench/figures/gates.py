"""P1 to P20: what each is made of, and its gate and its aim."""

from collections.abc import Callable
from statistics import median

from bench.figures.judging import Figure, middle, pairs_of, ratio
from bench.figures.measured import Run
from bench.figures.notebook import Notebook
from bench.plan import AIOHTTP, PGQUEUER, TUNED
from bench.project import OURS

MIB = 1 << 20
RATIOS = (
    # P, what, workload, other contender, gate, aim
    ("P1", "W2, JSON answer ÷ tuned aiohttp", "W2, JSON answer", TUNED, ">= 1", ">= 1.5"),
    ("P1", "W2, empty answer ÷ tuned aiohttp", "W2", TUNED, ">= 0.8", ">= 1.2"),
    ("P14", "W2, JSON answer ÷ aiohttp as it comes", "W2, JSON answer", AIOHTTP, ">= 1.25", ">= 2"),
    ("P2", "W3 ÷ aiohttp as it comes, 10 in flight", "W3", AIOHTTP, ">= 0.96", ">= 0.99"),
    ("P2", "W3 ÷ aiohttp as it comes, 10 backfills × 10", "W3 x 10", AIOHTTP, ">= 0.96", ">= 0.99"),
    ("P3", "W1 ÷ PgQueuer", "W1", PGQUEUER, ">= 10", ">= 20"),
    ("P4", "W2, JSON answer ÷ PgQueuer", "W2, JSON answer", PGQUEUER, ">= 4", ">= 6"),
)


def figures(book: Notebook) -> list[Figure]:
    """Every figure that can be computed of what was measured, by number."""
    found = [figure for compute in COMPUTED for figure in compute(book)]
    return sorted(found, key=lambda figure: int(figure.name[1:]))


def quiet_rounds(book: Notebook) -> int:
    """How many rounds the ratio has that has the fewest of those in which nobody else used the machine."""
    return min(
        sum(one.is_quiet and two.is_quiet for one, two in pairs_of(book.of(OURS, workload), book.of(other, workload)))
        for _, _, workload, other, _, _ in RATIOS
    )


def _throughput(book: Notebook) -> list[Figure]:
    return [
        figure
        for name, what, workload, other, gate, aim in RATIOS
        for figure in ratio(name, what, book.of(OURS, workload), book.of(other, workload), gate, aim)
    ]


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
    runs = book.of(OURS, "W2", _medium(book))

    def wal(run: Run) -> float:
        return run.wal_bytes / run.items

    def cpu(run: Run) -> float:
        return run.recorder_cpu / run.items * 1e6

    def commits(run: Run) -> float:
        return run.commits / run.seconds

    def server(run: Run) -> float:
        return run.postgres_cpu / run.items * 1e6

    return [
        *middle("P17", "CPU of PostgreSQL per item of W3", book.of(OURS, "W3"), "<= 120", "<= 50", "µs", server),
        *middle("P7", "WAL per item", runs, "<= 300", "<= 215", "B", wal),
        *middle("P7", "CPU of the recorder's backend per item", runs, "<= 20", "<= 7", "µs", cpu),
        *middle("P7", "commits of outcomes per second", runs, "<= 200", "<= 200", "/s", commits),
    ]  # fmt: skip


def _medium(book: Notebook) -> int:
    """The second largest size of W2: the largest is run once. 0 if there is none."""
    sizes = sorted({run.items for run in book.runs if (run.contender, run.workload) == (OURS, "W2")})
    return sizes[-2] if len(sizes) > 1 else 0


FOUND = (
    # finding, key, P, what, gate, aim, unit
    ("planning", "ratio", "P8", "planning ÷ COPY out and in of the same rows", "<= 3", "<= 1.5", ""),
    ("answers", "p99_ms", "P9", "p99 of GET of a backfill at full W2", "<= 50", "<= 10", "ms"),
    ("answers", "start_after_pause_ms", "P9", "last start after the answer to a pause", "<= 1000", "<= 50", "ms"),
    ("recovery", "seconds", "P10", "SIGKILL → first start, half done", "<= 1.5", "<= 0.8", "s"),
    ("recovery", "repeats_over_bound", "P10", "repeats beyond the bound", "<= 0", "<= 0", ""),
    ("start", "seconds", "P10", "start → ready, database migrated", "<= 1", "<= 0.5", "s"),
    ("points", "seconds", "P11", "schedule backfill of 10,000 sessions", "<= 1", "<= 0.4", "s"),
    ("idle", "core_percent", "P12", "idle with waiting backfills: share of a core", "<= 1", "<= 0.2", "%"),
    (
        "idle",
        "brakes_core_percent",
        "P12",
        "ten brakes beside them: share of a core beyond none",
        "<= 0.2",
        "<= 0.1",
        "%",
    ),
    ("idle", "peak_mib", "P12", "idle with waiting backfills: peak memory", "<= 120", "<= 90", "MiB"),
    ("slow_disk", "ratio", "P13", "W2 with 5 ms more per flush ÷ without", ">= 0.7", ">= 0.9", ""),
    ("idle", "beside_ratio", "P15", "planning one entity beside many waiting ÷ alone", "<= 2", "<= 1.1", ""),
    ("recovery", "beside_ratio", "P15", "planning one entity beside a half-done one ÷ alone", "<= 2", "<= 1.1", ""),
    ("many_ids", "pause_answered_ms", "P16", "many named ids: pause answered", "<= 300", "<= 50", "ms"),
    ("many_ids", "get_ms", "P16", "many named ids: GET", "<= 20", "<= 8", "ms"),
    ("many_ids", "peak_mib", "P16", "many named ids: peak memory", "<= 120", "<= 90", "MiB"),
    ("many_ids", "planned_ratio", "P16", "many named ids: planned ÷ by a filter", "<= 2", "<= 1.2", ""),
    ("viewers", "core_percent", "P18", "viewers of one backfill: share of a core", "<= 3", "<= 1", "%"),
    ("pace", "ratio", "P19", "killed with ten of 5 s in flight: time to the end ÷ ideal", "<= 1.3", "<= 1.1", ""),
    ("pace", "seconds_to_full_pace", "P19", "killed with items of 50 ms: full pace after", "<= 20", "<= 10", "s"),
    ("report", "grown_mib", "P20", "report: memory beyond none", "<= 20", "<= 8", "MiB"),
    ("report", "rows_per_second", "P20", "report: rows a second", ">= 50000", ">= 150000", "/s"),
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
