"""Waiting in real time for something that another task, or another process, will bring about.

Who has waited long looks less often: a look is a query or a request, and takes from what is waited for.
`eventually` has a bound in seconds, for what takes a moment. Work that takes as long as the machine lets it is waited
for with a `Patience`, which knows no seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 30.0  # more than any stall of a machine that others use; who gives up sooner says so
POLL_SECONDS = 0.005
LONGEST_POLL_SECONDS = 0.025
MOST_LOOKS_IN_VAIN = 1_000


async def eventually(check: Callable[[], T | Awaitable[T]], *, seconds: float = PATIENCE_SECONDS) -> T:
    """The first truthy answer of `check` (plain or async), looked at again and again; else AssertionError."""
    answer: T | None = None
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = check()
                answer = await found if isinstance(found, Awaitable) else found
                if answer:
                    return answer
                await asyncio.sleep(poll_seconds(time.monotonic() - began))
    except TimeoutError:
        raise AssertionError(f"still {answer!r} after {seconds:g} s") from None


def poll_seconds(waited: float) -> float:
    """How long to rest before the next look: a twentieth of what has been waited, within bounds."""
    return min(max(POLL_SECONDS, waited / 20), LONGEST_POLL_SECONDS)


class Patience:
    """For as long as anything moves. A machine that is busy makes work slow, and each look at it, too.

    `looks_in_vain` counts how often nothing had changed; more than `MOST_LOOKS_IN_VAIN` of them are an AssertionError.
    """

    def __init__(self) -> None:
        self.looks_in_vain = 0
        self._seen: Any = None

    async def after_seeing(self, seen: Any) -> None:
        """Rest a moment before the next look; `seen` is what work changes, and nothing else."""
        self.looks_in_vain = self.looks_in_vain + 1 if seen == self._seen else 0
        self._seen = seen
        assert self.looks_in_vain <= MOST_LOOKS_IN_VAIN, f"nothing has moved for {MOST_LOOKS_IN_VAIN} looks: {seen!r}"

        await asyncio.sleep(4 * POLL_SECONDS)
