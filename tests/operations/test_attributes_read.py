"""What an entity of a plan says, afterwards: as it was sent where a plan keeps that, else as it is now."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.support.backfill_api import make_operations, store_entities
from tests.support.backfills import make_backfill
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl
from tests.support.ledgers import make_ledger

from backfilld.domain.entities.records import Entity
from backfilld.domain.errors import NotFound, Unavailable
from backfilld.operations.watching.attributes import Attributes
from backfilld.sources.base import SourceUnreachable
from backfilld.store.connection.pool import Pool


class Source:
    """One that knows a ticket, `e0`; that is asked again only if it `can_be_read_again`."""

    def __init__(self, *, again: bool = True, fails: Exception | None = None, hangs: bool = False) -> None:
        self.can_be_read_again, self._fails, self._hangs = again, fails, hangs
        self.freshness_seconds = 60.0

    async def read(self, entity_type: str, ids: Any) -> dict[str, Entity]:
        if self._hangs:
            await asyncio.Event().wait()
        if self._fails:
            raise self._fails
        return {"e0": Entity("e0", {"priority": 3}, as_of=NOON)}


async def read(pool: Pool, clock: FakeClock, entity_id: str, **settings: Any) -> Attributes:
    """Of a plan in which `e0` has failed and `e1` is yet to start; it keeps what they said."""
    source = settings.pop("source", None)
    operations = make_operations(pool, clock, FakeControl(), source=source)
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"e0": "failed", "e1": "pending"})
    await pool.execute("""UPDATE plan_items SET attributes = '{"priority": 1}'""")
    entry = await operations.ledger.get(backfill.id, entity_id)
    return await operations.attributes.read(backfill, entry, **settings)


async def test_what_is_kept_here_is_told_as_it_is_now(pool: Pool, clock: FakeClock) -> None:
    await store_entities(pool, {"priority": 2}, at=NOON - timedelta(days=3))
    found = await read(pool, clock, "e0")

    assert Attributes({"priority": 2}, "as_now", clock.now(), NOON - timedelta(days=3)) == found


async def test_what_can_be_read_again_is_asked_for_now(pool: Pool, clock: FakeClock) -> None:
    found = await read(pool, clock, "e0", source=Source())

    assert Attributes({"priority": 3}, "as_now", clock.now(), NOON) == found


async def test_what_its_source_has_no_more_is_told_as_gone(pool: Pool, clock: FakeClock) -> None:
    found = await read(pool, clock, "e1", source=Source())

    assert (None, "as_now") == (found.values, found.standing)


@pytest.mark.parametrize(("entity_id", "standing"), [("e0", "as_sent"), ("e1", "as_planned")])
async def test_what_a_plan_keeps_is_what_is_sent(pool: Pool, clock: FakeClock, entity_id: str, standing: str) -> None:
    found = await read(pool, clock, entity_id, source=Source(again=False))

    assert ({"priority": 1}, standing) == (found.values, found.standing)


async def test_a_source_that_does_not_answer_is_said_so(pool: Pool, clock: FakeClock) -> None:
    with pytest.raises(Unavailable, match="source of type ticket cannot be read: nobody listens"):
        await read(pool, clock, "e0", source=Source(fails=SourceUnreachable("nobody listens")))


async def test_a_source_that_hangs_is_left_soon(pool: Pool, clock: FakeClock) -> None:
    with pytest.raises(Unavailable, match=r"has not answered within 0.01 s"):
        await read(pool, clock, "e0", source=Source(hangs=True), within_seconds=0.01)


async def test_sessions_have_no_attributes(pool: Pool, clock: FakeClock) -> None:
    operations = make_operations(pool, clock, FakeControl())
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"e0": "failed"})
    entry = await operations.ledger.get(backfill.id, "e0")
    object.__setattr__(backfill, "kind", "schedule")

    with pytest.raises(NotFound, match="their parameters stand with their attempts"):
        await operations.attributes.read(backfill, entry)
