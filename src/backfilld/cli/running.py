"""From a command's function to the event loop and back."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; Ctrl-C cancels it and arrives here as KeyboardInterrupt."""
    return asyncio.run(work)
