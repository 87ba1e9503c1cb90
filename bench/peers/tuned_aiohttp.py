"""aiohttp's client, tuned: URL and headers are made once, no cookies are kept, no time limits the whole."""

import asyncio

import aiohttp
from exchange import Orders, Work, contend
from multidict import CIMultiDict
from yarl import URL


async def prepare(orders: Orders) -> Work:
    assert orders.url is not None
    url, headers, body = URL(orders.url, encoded=True), CIMultiDict(orders.headers), orders.body.encode()
    session = aiohttp.ClientSession(
        headers=headers, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
    )
    left = iter(range(orders.items))

    async def send_items() -> None:
        for _ in left:
            async with session.post(url, data=body) as answer:
                await answer.read()
                assert answer.status == 200

    async def work() -> None:
        await asyncio.gather(*(send_items() for _ in range(orders.in_flight)))
        await session.close()

    return work


if __name__ == "__main__":
    contend(prepare)
