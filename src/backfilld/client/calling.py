"""What all routes of the client are called through."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from backfilld.client.answers import Answer, Json
from backfilld.client.transport import Transport
from backfilld.clock import Clock

PUBLIC = "/public-api"
LARGEST_PAGE = 200


class Calling:
    """Calls routes below /public-api."""

    url: str
    _http: Transport
    _clock: Clock
    _patience_seconds: float

    async def every(self, plural: str, path: str, **query: object) -> AsyncIterator[dict[str, Any]]:
        """Every entry of the list at `path` (below /public-api), page after page."""
        cursor: str | None = None
        while True:
            page = await self._get(path, **({"page_size": LARGEST_PAGE} | query | {"cursor": cursor}))
            for entry in page[plural]:
                yield entry
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _get(self, path: str, **query: object) -> Answer:
        return await self._http.request("GET", PUBLIC + path, query=query)

    async def _post(self, path: str, body: Json | None, idempotency_key: str | None = None) -> Answer:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return await self._http.request("POST", PUBLIC + path, body=body, headers=headers)

    async def _delete(self, path: str, body: Json | None = None, **query: object) -> Answer:
        return await self._http.request("DELETE", PUBLIC + path, body=body, query=query)


def part(text: str) -> str:
    return quote(text, safe="")


def given(**fields: object) -> dict[str, object] | None:
    """Only what was given; None, which sends no body, if that is nothing."""
    return {name: value for name, value in fields.items() if value is not None} or None
