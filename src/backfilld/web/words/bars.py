"""The bar of a backfill: one segment for each kind of outcome, with its number beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from backfilld.domain.backfills.progress import Counts

WIDTH = 1_000
SMALLEST = 4  # of the width: what there is, is seen
GAP = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """`x` and `width` in thousandths of the bar."""

    name: str
    words: str
    count: int
    x: int
    width: int


def segments(counts: Counts) -> Sequence[Segment]:
    """Those with something in them, in the order in which they are drawn; together never wider than the bar."""
    parts = [
        ("succeeded", "succeeded", counts.succeeded), ("skipped", "skipped", counts.skipped),
        ("failed", "failed", counts.failed), ("cancelled", "cancelled", counts.cancelled),
        ("flight", "in flight", counts.in_flight), ("retry", "to retry", counts.retrying),
    ]  # fmt: skip
    there = [part for part in parts if part[2] > 0]
    if not there or counts.total <= 0:
        return ()
    widths = [max(SMALLEST, round(WIDTH * count / counts.total)) for _, _, count in there]
    too_wide = sum(widths) - WIDTH
    if too_wide > 0:
        widths[widths.index(max(widths))] -= too_wide
    made, x = [], 0
    for (name, words, count), width in zip(there, widths, strict=True):
        made.append(Segment(name, words, count, x, max(1, width - (GAP if x + width < WIDTH else 0))))
        x += width
    return made
