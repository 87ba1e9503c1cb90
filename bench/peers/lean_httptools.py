"""What the wire allows: HTTP/1.1 by hand, on httptools and uvloop. The request is bytes made once, nothing is bounded.

No client that one would ship: no timeouts, no TLS, one origin, and it ends at the first answer that is not 200.
"""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from exchange import Orders, Work, contend
from httptools import HttpResponseParser


class Connection(asyncio.Protocol):
    """Sends what is left, one request after the other."""

    def __init__(self, request: bytes, left: Iterator[int]) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._left = left
        self._parser = HttpResponseParser(self)
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() == 200:
            self._go_on()
        else:
            self._end(AssertionError(f"answered {self._parser.get_status_code()}"))

    def connection_lost(self, problem: Exception | None) -> None:
        self._end(problem or ConnectionError("the target closed the connection"))

    def _go_on(self) -> None:
        if next(self._left, None) is None:
            self._end(None)
        else:
            self._transport.write(self._request)

    def _end(self, problem: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None) if problem is None else self.over.set_exception(problem)
        self._transport.close()


async def prepare(orders: Orders) -> Work:
    assert orders.url is not None
    url, body = urlsplit(orders.url), orders.body.encode()
    headers = {"Host": url.netloc, **orders.headers, "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST {url.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
    left = iter(range(orders.items))
    loop = asyncio.get_running_loop()

    async def send_items() -> None:
        _, connection = await loop.create_connection(lambda: Connection(request, left), url.hostname, url.port)
        await connection.over

    async def work() -> None:
        await asyncio.gather(*(send_items() for _ in range(orders.in_flight)))

    return work


if __name__ == "__main__":
    contend(prepare)
