"""Whoever sits at the terminal, and when he is done."""

import asyncio
import os
import sys


def is_watched() -> bool:
    """Whether somebody reads what is said, and can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def enter() -> None:
    """Return once Enter was pressed, or the terminal is gone."""
    pressed = asyncio.Event()
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        try:
            typed = os.read(terminal, 1024)
        except OSError:
            typed = b""
        if not typed or b"\n" in typed:
            pressed.set()

    loop.add_reader(terminal, read)
    try:
        await pressed.wait()
    finally:
        loop.remove_reader(terminal)
