"""The numbers of a backfill's page: what is in flight, and when it is expected to end."""

from dataclasses import replace
from datetime import timedelta

from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl, FakeLive
from tests.support.ledgers import make_ledger
from tests.web.conftest import Site

from backfilld.domain.backfills.estimating.ends import Estimate
from backfilld.domain.backfills.records import InFlight
from backfilld.domain.backfills.states import Status
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.store.connection.pool import Pool
from backfilld.web.pages.backfill.progress.numbers import MOST_SLOTS, numbers_of, slots_of


async def test_what_takes_unusually_long_says_so(site: Site, pool: Pool, control: FakeControl) -> None:
    backfill = await make_backfill(pool, max_in_flight=3)
    await make_ledger(
        pool, backfill, {f"e{number}": "succeeded" for number in range(30)} | {"a": "pending", "b": "pending"}
    )
    await put_into(pool, backfill, Status.RUNNING)
    begun = {30: InFlight(30, 1, NOON - timedelta(seconds=60)), 31: InFlight(31, 1, NOON)}
    control.lives[backfill.number] = FakeLive(frozenset(begun), items=begun)
    page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}")
    slots = page.partition('<ul class="slots">')[2].partition("</ul>")[0].split("<li")

    assert [True, False, False] == ["unusually long" in slot for slot in slots[1:]]


async def test_the_expected_end_stands_with_what_it_lies_between_in_one_zone(
    pool: Pool, clock: FakeClock, operations: BackfillOperations
) -> None:
    backfill = await make_backfill(pool, timezone="America/New_York")
    await put_into(pool, backfill, Status.RUNNING)
    span = (NOON + timedelta(hours=2), NOON + timedelta(hours=20))
    view = replace(
        await operations.get(backfill.id), estimate=Estimate(None, NOON + timedelta(hours=6)), completion_range=span
    )
    (tile,) = [one for one in numbers_of(view, clock.now()).tiles if one.name == "Expected end"]

    assert ("Mon 13:00", "between Mon 09:00 and Tue 03:00") == (tile.value, tile.span)


async def test_slots_stay_while_it_works_and_are_never_more_than_a_page_holds(
    pool: Pool, clock: FakeClock, operations: BackfillOperations
) -> None:
    backfill = await make_backfill(pool, max_in_flight=500)
    await make_ledger(pool, backfill, {"a": "pending"})
    await put_into(pool, backfill, Status.RUNNING)
    view = await operations.get(backfill.id)
    working = slots_of(replace(view, reason=None), [], clock.now())
    await put_into(pool, backfill, Status.WAITING)
    waiting = slots_of(await operations.get(backfill.id), [], clock.now())

    assert (MOST_SLOTS, 0) == (working.free, waiting.free)
