"""PgQueuer: one worker, as many jobs at once as we have entities in flight, asyncpg and uvloop as it recommends."""

import aiohttp
import asyncpg
from exchange import Orders, Work, contend
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.types import QueueExecutionMode

ENQUEUED_AT_ONCE = 1_000


async def prepare(orders: Orders) -> Work:
    connection = await asyncpg.connect(orders.dsn)
    driver = AsyncpgDriver(connection)
    queries = Queries(driver)
    await queries.install()
    body = orders.body.encode()
    for start in range(0, orders.items, ENQUEUED_AT_ONCE):
        some = min(ENQUEUED_AT_ONCE, orders.items - start)
        await queries.enqueue(["item"] * some, [body] * some, [0] * some)
    await connection.execute("VACUUM ANALYZE pgqueuer")
    queue = PgQueuer(driver)
    session = aiohttp.ClientSession()

    @queue.entrypoint("item")
    async def item(job: Job) -> None:
        if orders.url is not None:
            async with session.post(orders.url, data=job.payload, headers=orders.headers) as answer:
                await answer.read()
                assert answer.status == 200

    async def work() -> None:
        # it demands that a batch is at most half of what may run at once
        batch = orders.in_flight // 2
        await queue.run(batch_size=batch, max_concurrent_tasks=orders.in_flight, mode=QueueExecutionMode.drain)
        await session.close()

    return work


if __name__ == "__main__":
    contend(prepare)
