"""Tables on a terminal: all of each cell is there, and no line is longer than the terminal is wide."""

import io
import random

import pytest
from rich.console import Console

from backfilld.cli.output.fitted import fitted

WORDS = (
    "a",
    "running",
    "2027-03-01 12:00:05 +0100",
    "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11",
    "HTTP 401: invalid token",
    "-",
)


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(n, marks=pytest.mark.slow) for n in range(5, 20))])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_is_cut_off(seed: int, width: int) -> None:
    draw = random.Random(seed)
    columns = draw.randint(1, 9)
    rows = [[draw.choice(WORDS) for _ in range(columns)] for _ in range(4)]
    console = Console(width=width, file=(out := io.StringIO()))
    console.print(fitted([f"C{number}" for number in range(columns)], rows, width))
    shown = "".join(out.getvalue().split())

    assert all(len(line) <= width for line in out.getvalue().splitlines())
    assert sum(len("".join(cell.split())) for row in rows for cell in row if cell != "-") <= len(shown)
