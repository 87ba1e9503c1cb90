"""Lists that go to the server as text arrive as they were."""

from datetime import UTC, datetime, timedelta

import pytest

from backfilld.store.connection.literals import integers, microseconds_before

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
INSTANTS = [
    NOW,
    NOW - timedelta(microseconds=1),
    NOW + timedelta(days=400, microseconds=7),
    datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
]
BEFORE = "SELECT $1::timestamptz - m * interval '1 microsecond' FROM unnest($2::text::bigint[]) AS m"


@pytest.mark.parametrize("values", [[], [0], [-5, 2**31 - 1, 7], list(range(1000))])
async def test_whole_numbers(pool, values):
    assert values == await pool.fetchval("SELECT $1::text::integer[]", integers(values))


@pytest.mark.parametrize("instants", [[], INSTANTS, [None, NOW, None], [None]])
async def test_instants_to_the_microsecond(pool, instants):
    rows = await pool.fetch(BEFORE, NOW, microseconds_before(NOW, instants))

    assert instants == [row[0] for row in rows]
