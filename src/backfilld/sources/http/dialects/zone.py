"""In which zone an Autotask user is: asked without credentials, kept for a day, and asked again after a 401."""

from urllib.parse import quote, urlsplit

from backfilld.clock import Clock
from backfilld.sources.base import SourceBroken
from backfilld.sources.http.answers import Answer, Unreachable, inside
from backfilld.sources.http.asking.connection import Base
from backfilld.sources.http.asking.sending import Sender
from backfilld.sources.http.asking.wire import place
from backfilld.sources.http.dialects.autotask import meaning

KEPT_SECONDS = 86_400.0
HOST_SUFFIX = ".autotask.net"
EVERYWHERE = "https://webservices.autotask.net"
PREFIX = "/atservicesrest"
VERSION = "v1.0"


class ZoneBase(Base):
    """The base of a user. `url`: where the zone is asked for, and then the one other place that it may be at."""

    def __init__(self, username: str, url: str | None, sender: Sender, clock: Clock) -> None:
        self._username = username
        self._asked_at = (url or EVERYWHERE).rstrip("/")
        self._sender = sender
        self._clock = clock
        self._found: str | None = None
        self._found_at = 0.0

    async def find(self) -> str:
        """The address of the user's zone."""
        now = self._clock.monotonic()
        if self._found is None or now - self._found_at > KEPT_SECONDS:
            self._found = await self._ask()
            self._found_at = now
        return self._found

    def outdated(self, answer: Answer, asked_at: str) -> bool:
        """After a 401 the zone is asked for again, once for all that were asked there."""
        if answer.status != 401:
            return False
        if self._found == asked_at:
            self._found = None
        return True

    async def _ask(self) -> str:
        url = f"{self._asked_at}{PREFIX}/{VERSION}/zoneInformation?user={quote(self._username, safe='')}"
        answer = await self._sender.ask_beside("zoneInformation", "GET", url)
        problem = meaning(answer, place(url), lambda text: text, None)
        if problem is not None:
            raise problem
        told = inside(answer.document(), ("url",))
        if not isinstance(told, str):
            raise Unreachable(f"{place(url)} answers without the url of a zone")
        parts, asked = urlsplit(told), urlsplit(self._asked_at)
        host = parts.hostname or ""
        is_theirs = parts.scheme == "https" and host.endswith(HOST_SUFFIX) and "@" not in parts.netloc
        if not is_theirs and (parts.scheme, parts.netloc) != (asked.scheme, asked.netloc):
            raise SourceBroken(f"the zone is said to be at {host[:60]!r}; credentials go to *{HOST_SUFFIX} only")
        return f"{told.rstrip('/')}/{VERSION}"
