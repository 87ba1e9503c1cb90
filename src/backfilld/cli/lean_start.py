"""A daemon that is up sooner, and does not sort its own furniture while it works.

Two things cost it most, and neither is of any use to it. A terminal library comes along with the log library, which
draws tracebacks with it where it is installed, and the daemon never does. And the collector of cycles walks through all
that is alive: modules, models and routes stay for good, and while a plan was made, looking through them again and again
took nearly half of the CPU.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NOT_NEEDED = "rich"  # None in sys.modules means to Python: not installed
# New objects before the youngest generation is looked through. Python's own 700 is less than a page of entities.
NEW_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS = 20_000, 10, 10


@contextmanager
def lean_start() -> Iterator[None]:
    """For the imports of a process that stays: what is alive at the end of the block is never looked through again."""
    gc.disable()
    with _without(NOT_NEEDED):
        yield
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
    gc.enable()


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Imports in the block find `module` missing; unless it is there already. Afterwards it can be had as ever."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # the documented way to say "not installed"
    try:
        yield
    finally:
        del sys.modules[module]
