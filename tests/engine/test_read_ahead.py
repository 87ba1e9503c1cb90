"""Wide records are read ahead by their size, not by their number; what all readers have at hand has a bound."""

import pytest
from tests.engine.test_reader import reading
from tests.support.engine import ListSource

from backfilld.domain.entities.records import Entity
from backfilld.engine.backfills.limits.read_ahead import (
    MOST_BYTES,
    MOST_BYTES_OF_ALL,
    MOST_ITEMS,
    MOST_UNSEEN,
    ReadAhead,
)

MIB = 2**20


class Wide(ListSource):
    """Notes how many were read at once."""

    def __init__(self, count: int, size: int) -> None:
        super().__init__([Entity(f"e{n:06}", {"text": "x" * size}) for n in range(count)])
        self.asked: list[int] = []

    async def read(self, entity_type, ids):
        self.asked.append(len(ids))
        return await super().read(entity_type, ids)


@pytest.mark.parametrize(
    ("bytes_each", "readers", "expected"),
    [
        (0, 1, MOST_UNSEEN),
        (1, 1, MOST_ITEMS),
        (MOST_BYTES // MOST_ITEMS, 1, MOST_ITEMS),
        (MOST_BYTES // 500, 1, 500),
        (3 * MOST_BYTES, 1, 1),
        (MIB, 8, 16),
        (MIB, 16, 8),
        (MIB, 1000, 1),
    ],
)
def test_each_reader_has_its_share_of_the_memory(bytes_each, readers, expected):
    ahead = ReadAhead()
    alive = [Wide(0, 0) for _ in range(readers)]
    for reader in alive:
        ahead.join(reader)

    assert expected == ahead.most(bytes_each)
    assert readers * expected * bytes_each <= max(MOST_BYTES_OF_ALL, readers * bytes_each)


def test_a_reader_that_is_gone_leaves_its_share_to_the_others():
    ahead, stays = ReadAhead(), Wide(0, 0)
    ahead.join(stays)
    for _ in range(100):
        ahead.join(Wide(0, 0))

    assert 16 == ahead.most(MIB)


async def test_wide_records_are_read_ahead_by_their_size(pool, clock):
    source = Wide(450, 80_000)
    plan = await reading(pool, clock, *["pending"] * 450, source=source)
    plan.account.throughput = lambda: 10_000.0
    found = [item.entity_id for item in await plan.rest()]

    assert [f"e{n:06}" for n in range(450)] == found
    assert MOST_UNSEEN == source.asked[0]
    assert 1.5 * 80_000 * max(source.asked[1:]) <= MOST_BYTES
    assert len(source.asked) <= 6
