"""How much of their plans all backfills may have read ahead: some seconds' worth, as long as it is not much memory."""

from collections.abc import Sequence
from weakref import WeakSet

import orjson

from backfilld.domain.backfills.records import Item
from backfilld.domain.entities.attributes_text import AttributesText

MOST_ITEMS = 1000  # of one backfill
MOST_UNSEEN = 100  # as long as nobody knows how large they are
MOST_BYTES = 16 * 2**20  # of one backfill, as JSON
MOST_BYTES_OF_ALL = 128 * 2**20
LOOKED_AT = 8  # of a page, to know how large its items are


class ReadAhead:
    """The memory that readers share: each has the same part of it, and none more than `MOST_BYTES`."""

    def __init__(self) -> None:
        self._readers: WeakSet[object] = WeakSet()

    def join(self, reader: object) -> None:
        """It has a part from now on, as long as it lives."""
        self._readers.add(reader)

    def most(self, bytes_each: float) -> int:
        """How many items of this size one reader may have at hand; at least one. 0: nobody knows it yet."""
        if not bytes_each:
            return MOST_UNSEEN
        share = min(MOST_BYTES, MOST_BYTES_OF_ALL / max(len(self._readers), 1))
        return MOST_ITEMS if bytes_each * MOST_ITEMS <= share else max(1, int(share / bytes_each))


def bytes_of(items: Sequence[Item]) -> float:
    """About how large one of `items` is as JSON, by some of them."""
    some = items[:: max(1, len(items) // LOOKED_AT)]
    return sum(_size(item) for item in some) / len(some) if some else 0.0


def _size(item: Item) -> int:
    attributes = item.attributes
    if isinstance(attributes, AttributesText):
        return len(attributes.text)
    try:
        return len(orjson.dumps(attributes, default=str))
    except (TypeError, ValueError):  # what cannot be JSON is not sent either
        return 0
