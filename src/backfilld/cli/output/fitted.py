"""A table that fits the terminal: what is too long goes on in a second line of its cell, and nothing is cut off."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

SHORTEST = 12  # of a cell that may be broken into lines
GAP = 2
LONGEST_WORD = 20  # that is not broken
NARROW = 120


def is_narrow() -> bool:
    """Whether this is a terminal on which a list shows only what matters most."""
    return sys.stdout.isatty() and Console().width < NARROW


def widths_of(columns: Sequence[Sequence[str]], width: int) -> list[int]:
    """How wide each column is, so that all are within `width`: first as its words need, then as its cells do."""
    natural = [max(map(len, cells), default=1) for cells in columns]
    words = [max((len(part) for cell in cells for part in cell.split()), default=1) for cells in columns]
    least = [whole if whole <= SHORTEST else word for whole, word in zip(natural, words, strict=True)]
    room = width - GAP * (len(columns) - 1)
    cap = next((cap for cap in range(LONGEST_WORD, 1, -1) if sum(min(one, cap) for one in least) <= room), 1)
    found = [min(one, cap) for one in least]
    left = room - sum(found)
    while left > 0 and (wanting := [number for number, one in enumerate(found) if one < natural[number]]):
        for number in wanting[:left]:
            found[number] += 1
        left -= len(wanting[:left])
    return found


def fitted(header: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None) -> Table:
    """As rich draws it, within `width` (None: this terminal's); a column in which nothing stands is left out."""
    written = [
        ["-" if cell is None else f"{cell:,}" if type(cell) is int else str(cell) for cell in row] for row in rows
    ]
    told = [number for number in range(len(header)) if any(row[number] != "-" for row in written)]
    columns = [[header[number], *(row[number] for row in written)] for number in told]
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for cells, wide in zip(columns, widths_of(columns, width or Console().width), strict=True):
        is_number = all(_is_number(cell) for cell in cells[1:])
        table.add_column(cells[0], justify="right" if is_number else "left", overflow="fold", width=wide)
    for row in zip(*(cells[1:] for cells in columns), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


def print_fitted(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """On this terminal."""
    Console(highlight=False).print(fitted(header, rows))


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(",", "").replace(".", "", 1).isdigit()
