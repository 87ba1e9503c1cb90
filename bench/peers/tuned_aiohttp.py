"""aiohttp's client, tuned: URL and headers are made once, no cookies are kept, no time limits the whole."""

import aiohttp
from aiohttp_posts import posts
from exchange import Orders, Work, contend
from multidict import CIMultiDict
from yarl import URL


async def prepare(orders: Orders) -> Work:
    assert orders.url is not None
    session = aiohttp.ClientSession(
        headers=CIMultiDict(orders.headers),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )
    return posts(orders, session, URL(orders.url, encoded=True))


if __name__ == "__main__":
    contend(prepare)
