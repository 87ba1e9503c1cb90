"""Procrastinate: one worker with our concurrency, its psycopg pool as it comes."""

from typing import Any

import aiohttp
from exchange import Orders, Work, contend
from procrastinate import App, PsycopgConnector

ENQUEUED_AT_ONCE = 1_000


async def prepare(orders: Orders) -> Work:
    app = App(connector=PsycopgConnector(conninfo=orders.dsn))
    await app.open_async()
    await app.schema_manager.apply_schema_async()
    session = aiohttp.ClientSession()

    @app.task(name="item")
    async def item(body: str) -> None:
        if orders.url is not None:
            async with session.post(orders.url, data=body.encode(), headers=orders.headers) as answer:
                await answer.read()
                assert answer.status == 200

    jobs: list[dict[str, Any]] = [{"body": orders.body}] * orders.items
    for start in range(0, orders.items, ENQUEUED_AT_ONCE):
        await item.batch_defer_async(*jobs[start : start + ENQUEUED_AT_ONCE])

    async def work() -> None:
        await app.run_worker_async(concurrency=orders.in_flight, wait=False, install_signal_handlers=False)
        await session.close()
        await app.close_async()

    return work


if __name__ == "__main__":
    contend(prepare)
