"""A hundred thousand entities: all of them, in memory that stays as it was."""

import pytest
from bench.alone.memory_100k import FLAT_MIB, MIB, measure

ENTITIES = 100_000


@pytest.mark.slow
async def test_a_backfill_of_100_000_entities_ends_with_as_many_outcomes_in_flat_memory():
    figures = await measure(ENTITIES, 10)
    print({when: f"{memory / MIB:.1f} MiB" for when, memory in figures.memory.items()}, figures.seconds)

    assert ENTITIES == figures.outcomes
    assert figures.memory["100,000 done"] - figures.memory["10,000 done"] <= FLAT_MIB * MIB
    assert figures.memory["peak"] <= 120 * MIB
