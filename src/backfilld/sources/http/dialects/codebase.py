"""Under which path a ConnectWise system answers: asked without credentials in their cloud, and again after a 404."""

from urllib.parse import quote, urlsplit

from backfilld.clock import Clock
from backfilld.sources.http.answers import Answer, inside, meaning_of
from backfilld.sources.http.asking.connection import Base
from backfilld.sources.http.asking.sending import Sender
from backfilld.sources.http.asking.wire import place
from backfilld.sources.http.dialects.connectwise import is_of_no_route

KEPT_SECONDS = 86_400.0
CLOUD = ".myconnectwise.net"
EVERYWHERE = "v4_6_release"


class CodebaseBase(Base):
    """The base of a company's system."""

    def __init__(self, url: str, company: str, sender: Sender, clock: Clock) -> None:
        self._at = url.rstrip("/")
        self._company = company
        self._sender = sender
        self._clock = clock
        host = urlsplit(url).hostname or ""
        self._is_cloud = host.endswith(CLOUD)
        self._codebase: str | None = None if self._is_cloud else EVERYWHERE
        self._found_at = 0.0

    async def find(self) -> str:
        """The address that routes are put behind."""
        now = self._clock.monotonic()
        if self._is_cloud and (self._codebase is None or now - self._found_at > KEPT_SECONDS):
            self._codebase = await self._ask()
            self._found_at = now
        return self._base

    def outdated(self, answer: Answer, asked_at: str) -> bool:
        """After a 404 that no route gives: their codebase may have changed."""
        if not self._is_cloud or not is_of_no_route(answer):
            return False
        if self._base == asked_at:
            self._codebase = None
        return True

    @property
    def _base(self) -> str:
        return f"{self._at}/{self._codebase}/apis/3.0"

    async def _ask(self) -> str:
        url = f"{self._at}/login/companyinfo/{quote(self._company, safe='')}"
        answer = await self._sender.ask_beside("companyinfo", "GET", url)
        if (problem := meaning_of(answer, place(url), lambda text: text, None)) is not None:
            raise problem
        told = inside(answer.document(), ("Codebase",))
        codebase = told.strip("/") if isinstance(told, str) else ""
        is_plain = codebase.isascii() and codebase.replace("_", "").replace(".", "").isalnum() and ".." not in codebase
        return codebase if is_plain else EVERYWHERE
