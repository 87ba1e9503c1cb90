"""A connection to an API that entities come from, as an executor sees it: let in, bounded, and understood."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Meaning = Literal["throttled", "refused", "unreachable", "crowded", "outdated", "other"]


class LinkBusy(Exception):
    """Nothing may be sent before `until`."""

    def __init__(self, message: str, until: datetime | None) -> None:
        super().__init__(message)
        self.until = until


class LinkRefused(Exception):
    """Its credentials are refused."""


class LinkUnreachable(Exception):
    """What has to be asked before anything can be sent cannot be had."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The address that paths are put behind, and the headers that let one in. `number` counts what was opened."""

    base: str
    headers: Mapping[str, str]
    number: int


@dataclass(frozen=True, slots=True)
class Understood:
    """What an answer other than 2xx means there. `until`: nothing may be sent before that.

    `outdated`: a token had ended, or the system has moved; the next `open` finds others.
    """

    meaning: Meaning
    message: str
    until: datetime | None = None


class Link(Protocol):
    """What a connection gives. `open`, `take` and `spend` raise LinkBusy, LinkRefused or LinkUnreachable."""

    async def open(self) -> Opened:
        """Where a request goes, and with what."""

    async def take(self, endpoint: str) -> None:
        """The right to send one request, within its budget."""

    def spend(self, requests: int) -> None:
        """Count requests that a target is about to send by itself."""

    def unspend(self, requests: int) -> None:
        """It was not started, so they do not count."""

    def give_back(self, endpoint: str, *, unused: bool) -> None:
        """The request has ended; `unused`: it was never sent, and costs nothing."""

    def understand(
        self, opened: Opened, status: int, headers: Mapping[str, str], body: bytes, endpoint: str
    ) -> Understood | None:
        """What an answer means; None: it is well. To be told of every answer."""
