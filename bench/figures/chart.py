"""The chart of docs/benchmarks.md: a bar per contender and workload, as SVG that reads on light and dark pages."""

from statistics import median
from xml.sax.saxutils import escape

from bench.figures.notebook import Notebook
from bench.plan import AIOHTTP, BY_HAND, PGQUEUER, PROCRASTINATE, TUNED
from bench.project import OURS

COLOURS = {
    BY_HAND: "#b9bdc4", TUNED: "#a2a7af", AIOHTTP: "#8a8f98", OURS: "#2f6fdf", PGQUEUER: "#c98a1b",
    PROCRASTINATE: "#a4508b",
}  # fmt: skip
TITLES = {
    "W1": "W1: nothing", "W2, JSON answer": "W2: a POST answered at once, with JSON",
    "W2": "W2: a POST answered at once, with nothing", "W3": "W3: a POST answered after 20 ms",
}  # fmt: skip
WIDTH, NAMES, NUMBERS, BAR, GAP = 760, 130, 110, 18, 6
TEXT = 'font-family="system-ui, sans-serif" font-size="13" fill="#7a7f87"'


def chart(book: Notebook) -> str:
    """Wall time per item; each workload has a scale of its own, since 20 ms would hide the rest."""
    parts: list[str] = []
    y = 24
    for workload, title in TITLES.items():
        bars = {name: found for name in COLOURS if (found := _micros(book, name, workload)) is not None}
        if not bars:
            continue
        parts.append(f'<text x="0" y="{y}" {TEXT} font-weight="600">{escape(title)}, µs of wall time per item</text>')
        y += 12
        for name, micros in bars.items():
            parts.append(_bar(y, name, micros, micros / max(bars.values())))
            y += BAR + GAP
        y += 28
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img"'
            ' aria-label="Wall time per item by workload and contender">',
            *parts,
            "</svg>\n",
        ]
    )


def _micros(book: Notebook, contender: str, workload: str) -> float | None:
    runs = book.of(contender, workload)
    return median(run.micros for run in runs) if runs else None


def _bar(y: int, name: str, micros: float, share: float) -> str:
    width = max(1.0, share * (WIDTH - NAMES - NUMBERS))
    middle = y + BAR - 5
    return (
        f'<text x="0" y="{middle}" {TEXT}>{escape(name)}</text>'
        f'<rect x="{NAMES}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3" fill="{COLOURS[name]}"/>'
        f'<text x="{NAMES + width + 8:.1f}" y="{middle}" {TEXT}>{micros:,.0f}</text>'
    )
