"""Runs that nobody made, for the tests of what is made of them."""

from dataclasses import replace

from bench.figures.gates import RATIOS
from bench.figures.measured import Run
from bench.figures.notebook import Notebook
from bench.project import OURS


def run(contender: str, seconds: float, number: int, *, workload: str = "W2", others: float = 0.0) -> Run:
    return Run(contender, workload, 1000, number, seconds, 0.1, 0.1, others, 0, 0)


def compared(rounds: int = 3, *, disturbed: tuple[str, int] | None = None) -> Notebook:
    """Everybody in every ratio takes a second, a round after the other; `disturbed`: a workload and a round."""
    book = Notebook()
    kinds = {(contender, workload) for _, _, workload, other, _, _ in RATIOS for contender in (OURS, other)}
    for number in range(rounds):
        for contender, workload in sorted(kinds):
            made = run(contender, 1.0, number, workload=workload)
            book.add(replace(made, others_cpu=0.9 if (workload, number) == disturbed else 0.0))
    return book
