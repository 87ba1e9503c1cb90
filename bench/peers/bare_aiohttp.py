"""aiohttp's client on uvloop as it comes, with nothing around it. No database, no retries, nothing is remembered."""

import asyncio

import aiohttp
from exchange import Orders, Work, contend


async def prepare(orders: Orders) -> Work:
    assert orders.url is not None
    url, headers, body = orders.url, orders.headers, orders.body.encode()
    session = aiohttp.ClientSession()
    left = iter(range(orders.items))

    async def send_items() -> None:
        for _ in left:
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                assert answer.status == 200

    async def work() -> None:
        await asyncio.gather(*(send_items() for _ in range(orders.in_flight)))
        await session.close()

    return work


if __name__ == "__main__":
    contend(prepare)
