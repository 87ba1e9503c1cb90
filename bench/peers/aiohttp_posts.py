"""Posts by a session of aiohttp, so many at once, whatever it was told."""

import asyncio
from typing import Any

import aiohttp
from exchange import Orders, Work
from yarl import URL


def posts(orders: Orders, session: aiohttp.ClientSession, url: str | URL, **given: Any) -> Work:
    """All items, each the same body to `url`, and the end of the session."""
    body, left = orders.body.encode(), iter(range(orders.items))

    async def send_items() -> None:
        for _ in left:
            async with session.post(url, data=body, **given) as answer:
                await answer.read()
                assert answer.status == 200

    async def work() -> None:
        await asyncio.gather(*(send_items() for _ in range(orders.in_flight)))
        await session.close()

    return work
