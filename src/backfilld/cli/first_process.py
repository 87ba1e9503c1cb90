"""The daemon as the first process of a container, where nobody else buries what its programs leave behind.

Orphans become children of process 1, and stay zombies until it waits for them. The daemon waits for its own children
only; so as process 1 it goes on in a child, and this process waits for everybody.
"""

import os
import signal

LEFT_ALONE = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD)


def step_aside_if_first() -> None:
    """As process 1: return in a child. Anywhere else: just return."""
    if os.getpid() == 1 and (child := os.fork()) != 0:
        look_after(child)


def look_after(child: int) -> None:
    """Hand every signal to `child`, wait for every orphan, and end as `child` ends. Never returns."""
    for number in set(signal.valid_signals()).difference(LEFT_ALONE):
        signal.signal(number, lambda number, _: os.kill(child, number))
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
