"""Where a line may be broken: at blanks, else behind the marks that hold names together, else anywhere."""

import re
from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

PIECES = re.compile(r"[^_/.,:;=&?@-]*[_/.,:;=&?@-]*")

BROKEN_BEHIND_A_MARK = 0.4


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells that hold all of it but the blanks at which it was broken."""
    lines, line = [], ""
    for word in text.split():
        gap = " " if line else ""
        for part in [word] if cell_len(word) <= width else _parts(word, width):
            if cell_len(line + gap + part) > width:
                lines.append(line)
                line, gap = "", ""
            line, gap = line + gap + part, ""
    return [*lines, line]


def pain(text: str, width: int) -> float:
    """How hard its words are to read there: 1 for each that is broken anywhere, less for one broken behind a mark."""
    broken = [word for word in text.split() if cell_len(word) > width]
    cut = [any(cell_len(piece) > width for piece in PIECES.findall(word)) for word in broken]
    return sum(1 if anywhere else BROKEN_BEHIND_A_MARK for anywhere in cut)


def _parts(word: str, width: int) -> Iterator[str]:
    """What it may be broken into, none of it wider than that."""
    for piece in filter(None, PIECES.findall(word)):
        rest = piece
        while cell_len(rest) > width:
            cut = set_cell_size(rest, width).rstrip(" ") or rest[0]
            yield cut
            rest = rest[len(cut) :]
        yield rest
