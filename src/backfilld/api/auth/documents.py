"""Documents of an identity provider: fetched over TLS, of bounded size, without redirects."""

from typing import Any

import aiohttp
import orjson

from backfilld import __version__

_MOST_BYTES = 512 * 1024


class ProviderFault(Exception):
    """The identity provider answered something that is of no use."""


def session_of(timeout_seconds: float) -> aiohttp.ClientSession:
    """A session that keeps nothing, and believes no proxy of the environment."""
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    headers = {"User-Agent": f"backfilld/{__version__}", "Accept": "application/json"}
    return aiohttp.ClientSession(timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar())


async def get_document(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """The JSON object there. ProviderFault; whatever goes wrong with the connection."""
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status != 200:
            raise ProviderFault(f"{url} answers {answer.status}")
        return await read_document(answer, url)


async def read_document(answer: aiohttp.ClientResponse, url: str) -> dict[str, Any]:
    """The JSON object that an answer holds. ProviderFault."""
    text = bytearray()
    async for piece in answer.content.iter_any():
        text += piece
        if len(text) > _MOST_BYTES:
            raise ProviderFault(f"{url} answers more than {_MOST_BYTES} bytes")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ProviderFault(f"{url} answers no JSON") from None
    if not isinstance(document, dict):
        raise ProviderFault(f"{url} answers no JSON object")
    return document
