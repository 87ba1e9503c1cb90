"""What targets are told of a page of entities: what is stored, however the page lies among the others."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.store.test_entities import put
from tests.support.clock import NOON

from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.unparsed import FEW, LOOKED_FOR, PROBED, UnparsedReader

PAGE, PAGES = 200, 3
IDS = [f"T{n:05}" for n in range(4_000)]


class Spy:
    """A pool that notes how it is asked: by key, or for so many of a range."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.asked: list[str | int] = []

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        self.asked.append(values[-1] if "read_range" in sql else "by key")
        return await self._pool.fetchrow(sql, *values)


def reader(pool: Any) -> UnparsedReader:
    return UnparsedReader(pool)


async def pages_read(reader: UnparsedReader, plan: Sequence[str]) -> None:
    for start in range(0, len(plan), PAGE):
        await reader.read("ticket", plan[start : start + PAGE])


@pytest.fixture
async def stocked(pool: Any) -> Any:
    await put(pool, *[(id, orjson.dumps({"id": id}).decode(), None) for id in IDS if int(id[1:]) % 40 != 39])
    return pool


@pytest.mark.parametrize("loads", [1, 3], ids=["loaded-at-once", "loaded-bit-by-bit"])
async def test_what_is_handed_on_unparsed_is_what_is_there(pool: Any, loads: int) -> None:
    store = EntityStore(pool)
    texts = ["line\nbreak", "\r\u2028\x0b\x1f", "größe 🖨", '"quoted\\"', "", ",{}NULL"]
    ids = [*filter(None, texts), "NULL", "plain"]
    rows = [
        (id, orjson.dumps({text: [text, None, 1e300] for text in texts[: n + 1]}).decode(), None)
        for n, id in enumerate(ids)
    ]
    for n in range(loads):
        await put(pool, *rows[n::loads], at=NOON + timedelta(microseconds=n))
    asked = ["not there", *reversed(ids), ids[0], "nor this\n"]
    found = await store.read_unparsed("ticket", asked)
    parsed = await store.read("ticket", asked)

    assert loads == len({one.as_of for one in found.values()})
    assert {id: (one.attributes, one.as_of) for id, one in parsed.items()} == {
        id: (one.attributes.parsed(), one.as_of) for id, one in found.items()
    }
    assert set(ids) == set(found)


async def test_nothing_is_handed_on_where_nothing_is(pool: Any) -> None:
    store = EntityStore(pool)
    await put(pool, ("1", "{}", None))

    assert {} == await store.read_unparsed("ticket", ["2"])
    assert {} == await store.read_unparsed("ticket", [])
    assert {} == await store.read_unparsed("document", ["1"])
    assert {} == await store.read_unparsed("ticket", IDS[:PAGE])


@pytest.mark.parametrize(
    "plan",
    [
        IDS[: PAGES * PAGE],
        IDS[: 3 * PAGES * PAGE : 3],
        [id for n, id in enumerate(IDS) if n % 30][: PAGES * PAGE],
        [id for n, id in enumerate(IDS) if n % 400 < 250][: PAGES * PAGE],
        IDS[: PAGES * PAGE][::-1],
        [*IDS[1000 : 1000 + PAGE], *IDS[:PAGE], *IDS[0 : 9 * PAGE : 9], *IDS[2000 : 2000 + PAGE]],
        [*IDS[: PAGE // 2], *IDS[: PAGE // 2], *IDS[50:PAGE]],
        ["S", *IDS[:PAGE], "T00007x", "U"],
    ],
    ids=["whole", "scattered", "nearly-whole", "gaps", "backwards", "all-kinds", "twice", "never-there"],
)
async def test_of_every_page_all_that_is_there_is_read_and_nothing_else(stocked: Any, plan: list[str]) -> None:
    ours, store = reader(stocked), EntityStore(stocked)
    for _ in range(2):
        for start in range(0, len(plan), PAGE):
            page = plan[start : start + PAGE]
            found = await ours.read("ticket", page)
            parsed = await store.read("ticket", page)

            assert {id: one.attributes for id, one in parsed.items()} == {
                id: one.attributes.parsed() for id, one in found.items()
            }


async def test_a_plan_of_all_that_there_is_is_read_in_ranges_behind_the_first_look(stocked: Any) -> None:
    spy = Spy(stocked)
    await pages_read(reader(spy), IDS[: 4 * PAGE])

    assert [PROBED, "by key", PAGE, PAGE, PAGE] == spy.asked


async def test_of_a_scattered_plan_little_is_read_that_is_not_wanted(stocked: Any) -> None:
    spy = Spy(stocked)
    ours = reader(spy)
    for _ in range(LOOKED_FOR + 2):
        await ours.read("ticket", IDS[: 10 * PAGE : 10])

    assert [PROBED, "by key", *["by key"] * LOOKED_FOR, PROBED, "by key"] == spy.asked


async def test_a_range_that_becomes_scattered_is_left_with_the_next_page(stocked: Any) -> None:
    spy = Spy(stocked)
    await pages_read(reader(spy), [*IDS[: 2 * PAGE], *IDS[2 * PAGE : 12 * PAGE : 10], *IDS[12 * PAGE : 13 * PAGE]])

    assert [PROBED, "by key", PAGE, PAGE, "by key", "by key"] == spy.asked


async def test_a_few_are_looked_for(stocked: Any) -> None:
    spy = Spy(stocked)
    await reader(spy).read("ticket", IDS[: FEW - 1])

    assert ["by key"] == spy.asked
