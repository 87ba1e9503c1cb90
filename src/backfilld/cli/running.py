"""From a command's function to the event loop and back, also when a signal ends it."""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. Ctrl-C, SIGTERM and a hangup cancel it and arrive here as KeyboardInterrupt, whatever
    `work` made of that; a second one does not wait for it to put things away."""
    interrupt = _Interrupt()
    whole = interrupt.cancels(work)
    with interrupt.answered():
        try:
            result = asyncio.run(whole)
        except (Exception, asyncio.CancelledError):
            if interrupt.came:
                raise KeyboardInterrupt from None
            raise
        finally:
            if not interrupt.has_begun:
                whole.close()
                work.close()
    if interrupt.came:
        raise KeyboardInterrupt
    return result


def hear_interrupts() -> None:
    """Have Ctrl-C's signal end this process, also where a shell has started it in the background: whatever is started
    there begins with that signal ignored, which Python leaves as it is."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Interrupt:
    """Whether a signal came, and the task that it cancels. The loop's own way (asyncio.Runner) knows SIGINT alone, and
    takes it for done once the task was told."""

    def __init__(self) -> None:
        self.came = False
        self._task: asyncio.Task[Any] | None = None

    async def cancels(self, work: Coroutine[Any, Any, T]) -> T:
        self._task = asyncio.current_task()
        return await work

    @property
    def has_begun(self) -> bool:
        return self._task is not None

    @contextmanager
    def answered(self) -> Iterator[None]:
        """For the block; a hangup that is ignored (nohup) stays so. Threads other than the main one get no signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in ENDING}
        try:
            for number, answer in before.items():
                if number == signal.SIGINT or answer is signal.SIG_DFL:
                    signal.signal(number, self._answer)
            yield
        finally:
            for number, answer in before.items():
                signal.signal(number, answer)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        first, self.came = not self.came, True
        if not first or self._task is None or self._task.done():
            raise KeyboardInterrupt
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)  # which also wakes a loop that sleeps
