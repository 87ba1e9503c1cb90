"""Waiting in real time for something that another task, or another process, will bring about."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.005


async def eventually(check: Callable[[], T | Awaitable[T]], *, seconds: float = PATIENCE_SECONDS) -> T:
    """The first truthy answer of `check` (plain or async), looked at again and again; else AssertionError."""
    answer: T | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = check()
                answer = await found if isinstance(found, Awaitable) else found
                if answer:
                    return answer
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"still {answer!r} after {seconds:g} s") from None
