"""aiohttp's client on uvloop as it comes, with nothing around it. No database, no retries, nothing is remembered."""

import aiohttp
from aiohttp_posts import posts
from exchange import Orders, Work, contend


async def prepare(orders: Orders) -> Work:
    assert orders.url is not None
    return posts(orders, aiohttp.ClientSession(), orders.url, headers=orders.headers)


if __name__ == "__main__":
    contend(prepare)
