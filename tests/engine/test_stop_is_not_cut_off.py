"""Who is cut off twice has told the executor all the same that nobody wants its work."""

import asyncio
from types import SimpleNamespace

import pytest

from backfilld.engine.starting.one_try import OneTry


async def test_a_second_cut_does_not_end_a_stop_that_is_under_way():
    may_end, stopped = asyncio.Event(), []

    async def stop(work):
        await may_end.wait()
        stopped.append(work)

    one_try = OneTry(SimpleNamespace(target="engine:main", stop=stop), SimpleNamespace())
    stopping = asyncio.create_task(one_try.stop(SimpleNamespace(entity_id="T1"), lambda item: item.entity_id))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    may_end.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert ["T1"] == stopped
