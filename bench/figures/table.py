"""The comparison as two tables in Markdown: what each contender needs, and the figures against gate and aim."""

from collections.abc import Callable, Iterable
from statistics import median

from bench.figures.judging import Figure
from bench.figures.measured import Run
from bench.figures.notebook import Notebook

MIB = 1 << 20
WORDS = {"aim": "aim reached", "gate": "gate passed", "missed": "**missed**"}
HEAD = (
    "contender", "work", "items", "rounds", "µs/item", "min–max", "CPU client", "CPU PostgreSQL", "WAL B/item",
    "commits/s", "peak MiB",
)  # fmt: skip


def runs_table(book: Notebook) -> str:
    """A line for each contender, workload and size: medians, and the least and most of the wall time."""
    kinds = sorted({(run.workload, run.items, run.contender) for run in book.runs})
    return _table(HEAD, [_line(book.of(contender, workload, items)) for workload, items, contender in kinds])


def figures_table(figures: Iterable[Figure]) -> str:
    """A line for each ratio and each figure."""
    rows = [
        (
            figure.name, figure.what, f"**{_number(figure.value)}**{_unit(figure)}", _span(figure), str(figure.rounds),
            _bound(figure.gate), _bound(figure.aim), WORDS[figure.verdict], figure.note,
        )
        for figure in figures
    ]  # fmt: skip
    return _table(("", "what", "value", "min–max", "rounds", "gate", "aim", "", "note"), rows)


def _line(all_runs: list[Run]) -> tuple[str, ...]:
    quiet = [run for run in all_runs if run.is_quiet]
    runs = quiet or all_runs
    first = runs[0]

    def mid(of: Callable[[Run], float]) -> float:
        return median(of(run) for run in runs)

    rounds = f"{len(runs)}" if len(runs) == len(all_runs) else f"{len(runs)} of {len(all_runs)}"
    micros = [run.micros for run in runs]
    return (
        first.contender, first.workload, f"{first.items:,}", rounds if quiet else f"{rounds} (not quiet)",
        f"{mid(lambda run: run.micros):,.1f}", f"{min(micros):,.1f}–{max(micros):,.1f}",
        f"{mid(lambda run: run.client_cpu / run.items * 1e6):,.1f}",
        f"{mid(lambda run: run.postgres_cpu / run.items * 1e6):,.1f}",
        f"{mid(lambda run: run.wal_bytes / run.items):,.0f}",
        f"{mid(lambda run: run.commits / run.seconds):,.0f}" if first.commits else "–",
        f"{mid(lambda run: run.peak_bytes) / MIB:,.0f}",
    )  # fmt: skip


def _span(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return "–"
    return f"{_number(figure.low)}–{_number(figure.high)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _unit(figure: Figure) -> str:
    return f" {figure.unit}" if figure.unit else ""


def _bound(text: str) -> str:
    return text.replace(">=", "≥").replace("<=", "≤")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
