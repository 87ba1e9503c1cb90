"""Where the figures go: a JSON file, a chart, and the marked part of docs/benchmarks.md."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures.build import python_build
from bench.figures.chart import chart
from bench.figures.gates import figures
from bench.figures.judging import Figure
from bench.figures.notebook import Notebook
from bench.figures.table import figures_table, runs_table

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "bench" / "results"
CHART = RESULTS / "latest.svg"
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"


def markdown(book: Notebook, about: dict[str, Any]) -> str:
    """Everything that was measured, as one part of a page."""
    troubles = [f"- not measured: {trouble}" for trouble in book.troubles]
    return "\n".join(
        [
            f"Measured {about['when'][:10]}: {about['cores']} cores, PostgreSQL {about['postgres']}, {about['scale']};"
            f" {about['python']}. Medians; CPU in µs per item.",
            "",
            figures_table(figures(book)),
            "",
            *([runs_table(book)] if book.runs else []),
            *(["", *troubles] if troubles else []),
        ]
    )


def about(now: datetime, postgres: str, cores: int, scale: str) -> dict[str, Any]:
    """What the figures were made on."""
    return {
        "when": now.isoformat(), "python": python_build(), "postgres": postgres, "cores": cores,
        "scale": scale,
    }  # fmt: skip


def save(book: Notebook, about: dict[str, Any]) -> None:
    """The latest results, in place of those before."""
    RESULTS.mkdir(exist_ok=True)
    judged = [asdict(figure) | {"verdict": figure.verdict} for figure in figures(book)]
    document = {
        "about": about, "figures": judged, "findings": book.findings,
        "runs": [run.as_json() for run in book.runs], "troubles": book.troubles,
    }  # fmt: skip
    (RESULTS / "latest.json").write_text(json.dumps(document, indent=1) + "\n")
    CHART.write_text(chart(book))
    PAGE.write_text(with_figures(PAGE.read_text(), markdown(book, about)))


def with_figures(page: str, figures: str) -> str:
    """`page` with new figures between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert rest and after, f"docs/benchmarks.md has lost its marks: {BEGIN} … {END}"
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def missed(found: list[Figure]) -> list[Figure]:
    return [figure for figure in found if figure.verdict == "missed"]
