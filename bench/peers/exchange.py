"""How a contender talks with the bench: its orders as JSON on the command line, then one line at a time.

It prepares (enqueues, connects), says "ready", waits for "go", does the work, and says how long it took. It stays until
its standard input ends, so that what it used can be read from /proc.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvloop


@dataclass(frozen=True)
class Orders:
    """What a contender is to do. `url` None: nothing per item. `body`, `headers`: as our daemon sends them."""

    items: int
    in_flight: int
    dsn: str | None
    url: str | None
    body: str
    headers: dict[str, str]


Work = Callable[[], Awaitable[Any]]
Prepare = Callable[[Orders], Awaitable[Work]]


def contend(prepare: Prepare) -> None:
    """Run one contender; `prepare` returns what is to be timed."""
    orders = Orders(**json.loads(sys.argv[1]))
    uvloop.run(_contend(prepare, orders))


async def _contend(prepare: Prepare, orders: Orders) -> None:
    work = await prepare(orders)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began = time.monotonic()
    await work()
    print(json.dumps({"seconds": time.monotonic() - began}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
