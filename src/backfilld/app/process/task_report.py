"""Where everything stands, for an operator who asks a daemon that seems to do nothing."""

import asyncio
import sys
import threading
from types import FrameType
from typing import Any

import structlog

log = structlog.get_logger(__name__)

MOST_TASKS = 1_000
DEEPEST = 30


def tell_tasks() -> None:
    """A line in the log for each task and thread: its name, and the places where it waits, the outermost first."""
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    log.warning("where everything stands", tasks=len(tasks), threads=threading.active_count())
    for task in tasks[:MOST_TASKS]:
        log.warning("task", name=task.get_name(), waits_at=_places(task.get_coro()))
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and (frame := frames.get(thread.ident or 0)) is not None:
            log.warning("thread", name=thread.name, is_at=_place(frame))


def _places(work: Any) -> list[str]:
    """Along what awaits what; a stack shows the outermost of a task that waits only."""
    places: list[str] = []
    while work is not None and len(places) < DEEPEST:
        frame = next(filter(None, (getattr(work, f"{kind}_frame", None) for kind in ("cr", "gi", "ag"))), None)
        if frame is not None:
            places.append(_place(frame))
        work = next(
            filter(None, (getattr(work, name, None) for name in ("cr_await", "gi_yieldfrom", "ag_await"))), None
        )
    return places


def _place(frame: FrameType) -> str:
    file = "/".join(frame.f_code.co_filename.rsplit("/", 3)[-3:])
    return f"{file}:{frame.f_lineno} {frame.f_code.co_name}"
