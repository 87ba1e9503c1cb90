"""What a connection has spent of its budget outlives the process."""

from datetime import timedelta

from tests.support.clock import FakeClock
from tests.support.http_types import http_types, text_of

from backfilld.app.sources.usage import UsageKeeper
from backfilld.sources.http.asking.rates import Purpose
from backfilld.store.admin.connection_usage import ConnectionUsage
from backfilld.store.connection.pool import Pool


async def test_a_restart_forgets_nothing_of_what_was_spent(pool: Pool, clock: FakeClock, tmp_path) -> None:
    store, text = ConnectionUsage(pool), text_of("http://127.0.0.1:1", "requests_per_hour = 10")
    async with http_types(tmp_path, text, pool, clock) as (_, before):
        for _ in range(4):
            await before.budget.take(Purpose.PLAN, "x")
            before.budget.give_back("x")
        keeper = UsageKeeper(store, {"crm": before}, clock)
        await keeper.write()
        await keeper.write()
    await clock.advance(timedelta(minutes=30))
    async with http_types(tmp_path, text, pool, clock) as (_, after):
        await UsageKeeper(store, {"crm": after}, clock).restore()
        restored = after.usage.used
    await clock.advance(timedelta(hours=1))
    async with http_types(tmp_path, text, pool, clock) as (_, later):
        await UsageKeeper(store, {"crm": later}, clock).restore()

        assert (4, 0) == (restored, later.usage.used)
