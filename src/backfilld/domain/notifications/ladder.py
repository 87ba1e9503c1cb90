"""When a message is tried again, and when nobody tries any more."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

# After the first try, the second, …: the ladder of Standard Webhooks. Eight tries in a good day.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600))
MOST_TRIES = len(PAUSES) + 1
JITTER = 0.1
GONE = 410
LONGEST_ASKED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try went. `status` None: nobody answered; `was_sent`: it may have arrived all the same."""

    status: int | None
    error: str | None = None
    was_sent: bool = False
    retry_after: timedelta | None = None

    @property
    def is_done(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Next:
    """What comes of a try."""

    kind: Literal["delivered", "again", "dead", "gone"]
    pause: timedelta = timedelta()
    was_unsure: bool = False


def after(tried: Tried, *, tries: int, is_chat: bool, was_unsure: bool, draw: Callable[[], float]) -> Next:
    """After the try of number `tries`. A chat shows everything twice that arrives twice, so there what may have arrived
    is tried once more, and marked (`was_unsure`)."""
    if tried.is_done:
        return Next("delivered", was_unsure=was_unsure)
    if tried.status == GONE:
        return Next("gone", was_unsure=was_unsure)
    is_unsure = tried.status is None and tried.was_sent
    if tries >= MOST_TRIES or (is_chat and is_unsure and was_unsure):
        return Next("dead", was_unsure=was_unsure or is_unsure)
    pause = PAUSES[tries - 1] * (1 + JITTER * (2 * draw() - 1))
    if tried.retry_after is not None:
        pause = max(pause, min(tried.retry_after, LONGEST_ASKED))
    return Next("again", pause, was_unsure or is_unsure)
