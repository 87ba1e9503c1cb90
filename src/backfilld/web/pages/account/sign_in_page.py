"""The page on which strangers sign in, and what happens to whoever has: whichever way he took."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode

from aiohttp import web

from backfilld.api.auth.attempts import Attempt
from backfilld.domain.access.callers import Caller
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Visit

ENTRA_PATH = "/sign-in/entra"


class Directory(Protocol):
    """Where people have accounts, as `EntraSignIn`, whose packages need not be installed."""

    @property
    def tenants(self) -> Sequence[str]:
        """The directories that people may come from."""

    def is_ours(self, attempt: Attempt) -> bool:
        """Whether it is at a directory that is asked here."""

    def begin(self, tenant: str) -> Attempt:
        """Another attempt."""

    async def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where a browser goes with it. Unavailable."""

    async def finish(self, attempt: Attempt, code: str, redirect_uri: str) -> Caller:
        """Who came back with that code. InvalidToken; Forbidden for somebody without a role; Unavailable."""


class SignInPage:
    """Draws it, and opens sessions."""

    def __init__(self, frame: Frame, directory: Directory | None) -> None:
        self._frame = frame
        self.directory = directory

    def draw(
        self, visit: Visit, next_: str, problem: str = "", *, status: int = 200, once: str = ""
    ) -> web.Response:  # fmt: skip
        tenants = () if self.directory is None else self.directory.tenants
        ways = [(f"{ENTRA_PATH}?{urlencode({'next': next_, 'tenant': one})}", one) for one in tenants]
        return self._frame.page(
            visit, "account/sign_in.html", status=status, next=next_, problem=problem, once=once, ways=ways
        )  # fmt: skip

    async def open_session(
        self, visit: Visit, caller: Caller, next_: str, *, until: datetime | None = None
    ) -> web.Response:  # fmt: skip
        """Signed in, and on to the page that was wanted."""
        token, _ = await self._frame.sessions.open(caller, visit.http.headers.get("User-Agent", ""), until=until)
        response = self._frame.see_other(next_)
        place = self._frame.place
        response.set_cookie(place.cookie, token, path="/", httponly=True, secure=place.is_secure, samesite="Lax")
        return response
