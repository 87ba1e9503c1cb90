"""A table that fits the terminal: what is too long goes on in further lines of its cell, and nothing is cut off."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import permutations

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from backfilld.cli.output.wrapping import pain, wrapped

GAP = 2
NARROW = 120
NARROWEST = 4  # of a column, where there is room for that
LOOKED_AT = 24  # rows by which the widths are found
MOST_GIVEN = 12  # cells at once
PER_PAIN = 3  # lines that a table may grow by rather than break one word


def is_narrow() -> bool:
    """Whether this is a terminal on which a list shows only what matters most."""
    return sys.stdout.isatty() and Console().width < NARROW


def widths_of(columns: Sequence[Sequence[str]], width: int) -> list[int]:
    """How wide each column is, so that all are within `width` with as few lines and broken words as can be.

    From the widths that they would like the columns give way, each time the one that costs least for each cell gained;
    then one gives to another as long as that helps.
    """
    looked_at = [cells[: LOOKED_AT + 1] for cells in columns]
    room = max(width - GAP * (len(columns) - 1), len(columns))
    found = [min(max(map(cell_len, cells)), room) for cells in columns]

    @cache
    def heights(column: int, wide: int) -> tuple[int, ...]:
        return tuple(len(wrapped(cell, wide)) for cell in looked_at[column])

    @cache
    def pains(column: int, wide: int) -> float:
        return sum(pain(cell, wide) for cell in looked_at[column])

    def cost(widths: Sequence[int]) -> float:
        lines = [heights(column, wide) for column, wide in enumerate(widths)]
        tall: int = sum(max(row) for row in zip(*lines, strict=True))
        return (
            tall
            + sum(map(sum, lines)) / 100
            + PER_PAIN * sum(pains(column, wide) for column, wide in enumerate(widths))
        )

    least = NARROWEST if room >= NARROWEST * len(columns) else 1
    while (over := sum(found) - room) > 0:
        now = cost(found)
        ways = [
            ((cost(narrowed := [*found[:column], wide, *found[column + 1 :]]) - now) / min(old - wide, over), narrowed)
            for column, old in enumerate(found)
            for wide in range(max(least, old - over), old)
        ]
        found = min(ways)[1] if ways else [max(1, room // len(columns))] * len(columns)
    while better := min((way for way in _exchanges(found, least) if cost(way) < cost(found)), key=cost, default=None):
        found = better
    return found


def _exchanges(widths: Sequence[int], least: int) -> Iterator[list[int]]:
    for giver, taker in permutations(range(len(widths)), 2):
        for cells in range(1, min(MOST_GIVEN, widths[giver] - least) + 1):
            changed = list(widths)
            changed[giver] -= cells
            changed[taker] += cells
            yield changed


def fitted(header: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None) -> Table:
    """As rich draws it, within `width` (None: this terminal's); a column in which nothing stands is left out."""
    written = [
        ["-" if cell is None else f"{cell:,}" if type(cell) is int else str(cell) for cell in row] for row in rows
    ]
    told = [number for number in range(len(header)) if any(row[number] != "-" for row in written)]
    columns = [[header[number], *(row[number] for row in written)] for number in told]
    widths = widths_of(columns, width or Console().width) if columns else []
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for cells, wide in zip(columns, widths, strict=True):
        is_number = all(_is_number(cell) for cell in cells[1:])
        title = "\n".join(wrapped(cells[0], wide))
        table.add_column(title, justify="right" if is_number else "left", no_wrap=True, width=wide)
    for row in zip(*(cells[1:] for cells in columns), strict=True):
        table.add_row(*(Text("\n".join(wrapped(cell, wide))) for cell, wide in zip(row, widths, strict=True)))
    return table


def print_fitted(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """On this terminal."""
    console = Console(highlight=False)
    with console.capture() as drawn:
        console.print(fitted(header, rows))
    for line in drawn.get().splitlines():
        console.out(line.rstrip(), highlight=False)


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(",", "").replace(".", "", 1).isdigit()
